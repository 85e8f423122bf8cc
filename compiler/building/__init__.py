"""Builds: plan, price, execute, install, lock."""
