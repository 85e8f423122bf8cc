"""Round locks, and the files that a locked round needs."""
