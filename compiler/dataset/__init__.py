"""The shape of what comes in and what ships: sources, columns, statistics, card."""
