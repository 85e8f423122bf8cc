"""Entry point of `python -m compiler`, the same as `probec`."""

from compiler.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
