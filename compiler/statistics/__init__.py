"""Rows as numbers, and the statistics computed from them."""
