"""A day in one file: recorded, replayed into an empty hub, and driven again by another planning policy. See `day_file` for the format."""
