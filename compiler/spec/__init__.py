"""Specs: their models, and how they are read and edited."""
