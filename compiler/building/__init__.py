"""Builds planned, priced, executed, installed and locked."""
