"""Statistics rendered as terminal tables, dataset cards and HTML pages."""
