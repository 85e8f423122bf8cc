"""probec: a compiler for probe datasets."""

__version__ = "0.1.0"
