"""`python -m compiler` is `probec`."""

from compiler.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
