"""Projects: a spec in its directory, its problems, its source, and the objects a command needs."""
