"""Rows of a dataset in a browser: tables in DuckDB, a server on this machine, one page."""
