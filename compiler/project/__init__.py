"""A spec in its directory: its problems, its source, and the objects that a command needs."""
