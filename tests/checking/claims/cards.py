"""The cards that the tests read, and one number of a card changed."""

from __future__ import annotations

from decimal import Decimal

from compiler.checking.claims.claim import Claim
from tests.conftest import ROOT, SHARED

CARDS = ROOT / "tests/data/cards"
CONSISTENT = (CARDS / "consistent.md").read_text(encoding="utf-8")
FIGURES = (CARDS / "published_figures.md").read_text(encoding="utf-8")
PUBLISHED = SHARED / "reference/published-card.md"


def altered(card: str, claim: Claim, value: str) -> str:
    """The card with `value` in the place of a claim, and nothing else changed."""
    lines = card.split("\n")
    line, at = lines[claim.line - 1], claim.column - 1
    assert line[at : at + len(claim.written)] == claim.written, "a claim stands where it says"
    lines[claim.line - 1] = line[:at] + value + line[at + len(claim.written) :]
    return "\n".join(lines)


def other_values(claim: Claim) -> list[str]:
    """Wrong values in the style of the claim: one up, a tenth up, a third down, where they differ.

    What is rounded, and tokens that only dollars depend on, are moved by more than the rounding.
    """
    number, mark = claim.number, claim.written.strip()
    step = 40 * claim.slack if claim.slack else Decimal(1)
    if claim.name.startswith("tokens"):
        step = max(step, number // 4)
    values = {number + step, number + max(step, number // 10), number - max(step, number // 3)}
    written = []
    for value in sorted(values - {number}):
        text = f"{value:f}" if claim.slack else f"{int(value)}"
        text = f"${text}" if "$" in mark else text
        written.append(f"{text}%" if mark.endswith("%") else text)
    return [each for each in written if not each.startswith("-")]
