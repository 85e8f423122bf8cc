"""Checks of rows and cards against the values that they state."""
