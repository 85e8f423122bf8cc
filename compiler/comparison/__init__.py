"""Comparisons of two builds: specs, templates, requests, outcomes.

`sides` opens the builds that a command line names; the other modules compare specs and step graphs.
"""
