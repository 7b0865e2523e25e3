"""When each van will be at each of its stops, told again whenever it moved, did something, or got another plan."""
