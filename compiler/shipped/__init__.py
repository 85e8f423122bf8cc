"""Files that probec ships for projects: the defaults of specs, a tokenizer, and templates.

A project's own file of the same path takes precedence. Prompts are shipped for new projects alone,
which get copies: an upgrade of probec must change no request. In a checkout, the shipped files are
those of the repository; an installed wheel has them beside this module.
"""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent
FOLDER = _HERE if (_HERE / "templates").is_dir() else _HERE.parent.parent
"""The directory of the shipped files, laid out like a project."""
BASE = "specs/base.yaml"
TOKENIZER = "specs/data/bpe-8k.json.gz"
_TEMPLATES = "templates/"


def find(root: Path, name: str) -> Path:
    """Return the file at a path from the project root: the project's own, else the shipped one.

    `name`: with `/` between directories. Without either file, the project's path is returned.
    """
    own = root / name
    if own.exists() or not (name in (BASE, TOKENIZER) or name.startswith(_TEMPLATES)):
        return own
    shipped = FOLDER / name
    return shipped if shipped.is_file() else own
