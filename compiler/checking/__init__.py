"""Rows and cards checked against what they state."""
