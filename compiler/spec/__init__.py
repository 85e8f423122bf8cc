"""What a user may declare, and how it is read."""
