"""The version of probec."""

__version__ = "0.1.0"
