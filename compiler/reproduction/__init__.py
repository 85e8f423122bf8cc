"""Rounds rebuilt from their locks, verified and shared."""
