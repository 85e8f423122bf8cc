"""The price of a build: measured usage, prices of calls, estimates, and what was billed."""
