"""Rows as columns of numbers, and the statistics computed from them."""
