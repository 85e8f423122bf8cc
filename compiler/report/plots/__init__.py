"""Kinds of plots as pure functions from numbers to SVG text, one kind per file."""
