"""The driver's screen: a local page for a small touch display, and the HTTP API behind it."""
