"""Statistics as tables, figures, cards and pages."""
