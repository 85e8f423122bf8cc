"""Prompts, phrasings and pages as Jinja templates: read, checked, rendered without variation."""
