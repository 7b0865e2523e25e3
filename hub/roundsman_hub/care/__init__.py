"""What customers choose, ask for and complain of: each checked, written down, and followed to its end."""
