"""What the hub does by itself at night: tomorrow's plan of each depot, and learning from its own days."""
