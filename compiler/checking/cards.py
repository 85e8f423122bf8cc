"""A card checked by itself, and by the rows beside it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from compiler.checking.claims.checked import RULES, Checked, check, data
from compiler.checking.claims.page import decode
from compiler.checking.recount import Recount, recount
from compiler.dataset.rollout_columns import LEDGER
from compiler.errors import SourceError, nearest_file
from compiler.keys import Json
from compiler.report.screen import PLAIN, Screen
from compiler.report.terminal import table
from compiler.templating.prompts import Library

# So many stale numbers are listed; the JSON has all of them.
_MOST = 20
_NOTHING = Recount((), ("a card alone: there are no rows to hold it against",))


@dataclass(frozen=True)
class CheckedCard:
    """The numbers of a card checked against one another, and recounted from the rows.

    `checked`: None for rollouts.
    """

    checked: Checked | None
    counted: Recount

    @property
    def errors(self) -> int:
        """The number of contradictions among the card's own numbers."""
        return self.checked.errors if self.checked is not None else 0

    @property
    def failed(self) -> bool:
        """Whether a number is stale or contradicts others."""
        return bool(self.errors or self.counted.stale)

    def data(self) -> Json:
        """As JSON."""
        return {
            "card": data(self.checked) if self.checked is not None else None,
            "stale": [{**asdict(each)} for each in self.counted.stale],
            "not_applied": [*self.counted.not_applied],
        }


def file(path: Path) -> Path:
    """Find the card at a path: in a dataset directory, or the file itself."""
    return path / "README.md" if path.is_dir() else path


def read(path: Path) -> str:
    """Read the card at a path.

    Raises:
        SourceError: there is none.
    """
    place = file(path)
    try:
        raw = place.read_bytes()
    except OSError as error:
        raise SourceError(
            f"no card there: {error.strerror}",
            where=str(place),
            hint=f"{'' if path.exists() else nearest_file(path)}a spec, a dataset or a card",
        ) from None
    return decode(raw, str(place))


def checked(path: Path, templates: Library | None) -> CheckedCard:
    """Check the card at a path. `templates`: those that render it again.

    Raises:
        SourceError: there is none, or it states no number.
    """
    if (path / LEDGER).is_file():
        # A card of rollouts is rendered from its ledger alone, so that its claims are those.
        return CheckedCard(None, recount(path, templates))
    found = check(read(path))
    if not found.claims:
        raise SourceError(
            "no card: it states no number that could be checked",
            where=str(file(path)),
            hint="a spec, a dataset or a card",
        )
    return CheckedCard(found, recount(path, templates) if path.is_dir() else _NOTHING)


def text(found: CheckedCard, name: str, screen: Screen = PLAIN) -> str:
    """Format a checked card for a terminal. `name`: of its file."""
    checked, counted = found.checked, found.counted
    parts = []
    if counted.stale:
        rows = [
            (each.where, _short(each.stated), _short(each.recomputed))
            for each in counted.stale[:_MOST]
        ]
        parts.append(table(("stale", "stated", "from the rows"), rows, screen))
    if checked is None:
        found_stale = f"{len(counted.stale)} numbers or lines that disagree with the rows"
        return "\n\n".join([*parts, f"{name}: {found_stale}", *counted.not_applied])
    if checked.contradictions:
        parts.append("\n".join(str(each) for each in checked.contradictions))
    if checked.errors and checked.suspects:
        first = checked.suspects[0]
        parts.append(
            f"the likeliest culprit: line {first.claim.line}, {first.claim.label} = "
            f"{first.claim.written} (in {first.failing} equations that fail and {first.holding} "
            "that hold)"
        )
    warnings = len(checked.contradictions) - checked.errors
    silent = "; ".join(f"{name} ({RULES[name].meaning})" for name in checked.not_applied)
    parts.append(
        f"{name}: {len(checked.claims)} claims, {len(checked.applied)} of "
        f"{len(RULES)} rules applied: {checked.errors} errors, {warnings} warnings; "
        f"{len(counted.stale)} numbers that the rows do not bear out"
    )
    if silent:
        parts.append(screen.wrapped(f"the card claims too little for: {silent}"))
    parts += counted.not_applied
    return "\n\n".join(parts)


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:97]}..."
