"""What keeps the record from growing without end: raw fixes age into simplified tracks, tracks into a row a vehicle and day."""
