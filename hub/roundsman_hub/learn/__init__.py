"""What the fleet's own days teach: how fast streets are, and how long stops take. One table of each, for planner and ETAs alike."""
