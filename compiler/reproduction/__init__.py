"""Locked rounds reproduced, verified and shared."""
