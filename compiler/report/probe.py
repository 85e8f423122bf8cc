"""One row as text for a terminal: the text around its split, its question, its answers.

The split is marked by `||`, and the atom by colour, or by `[[` and `]]` without colours.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator

from compiler.dataset.rows import PublishedRow
from compiler.probes.reasons import STATUSES
from compiler.report import passages, sample
from compiler.report.passages import visible
from compiler.report.sample import Rollout, ShownProbe, ShownRecord
from compiler.report.screen import Screen

AROUND = 200
"""Characters of text that are shown before and after a split and an atom."""
# Private characters mark places until lines are broken; `visible` leaves none of them in a text.
_BEGIN, _END, _SPLIT = "\ue000", "\ue001", "\ue002"
_BRACKETS = {_BEGIN: "[[", _END: "]]", _SPLIT: "||"}
_GAP = " [...] "
_BANDS = {"hard": "red", "middle": "yellow", "easy": "green"}
# The facts that are shown, by their label. The generator's notes are left to the page.
_FACTS = {
    "distance": "distance",
    "typicality": "typicality",
    "blind view": "blind view",
    "scores against target_response": "to answer",
}
_LABEL = 12


def text(
    row: PublishedRow, bands: tuple[float, float], screen: Screen, around: int = AROUND
) -> str:
    """Format one row. `bands`: bounds of HARD and EASY; `around`: see `AROUND`."""
    record, _ = sample.record([row], bands)
    (probe,) = record.probes
    lines = [_head(row.key, record, probe, screen), ""]
    lines += [*_passage(record, probe, screen, around), ""]
    lines += labelled("question", probe.question, screen)
    if not probe.located:
        lines += labelled("atom", f"{probe.atom} (its place in the text is not known)", screen)
    if probe.response != probe.atom:
        lines += labelled("answer", probe.response, screen)
    lines += labelled("alternative", probe.alternative, screen)
    lines += answers("blind", probe.rollouts, screen)
    if not probe.rollouts:
        why = STATUSES.get(probe.status, probe.status)
        lines += labelled("blind", f"no answers: {why}", screen)
    if probe.baselines:
        read = [
            f"{name.replace('_', ' ')} {' '.join(map(_score, scores))}"
            for name, scores in probe.baselines.items()
        ]
        lines += labelled("baselines", "; ".join(read), screen)
    for name, fact in probe.facts:
        lines += labelled(_FACTS[name], fact, screen) if name in _FACTS else []
    for flag, meaning in probe.flags:
        lines += labelled(flag, meaning or "a flag that this version does not know", screen)
    return "\n".join(lines)


def answers(name: str, rollouts: Iterable[Rollout], screen: Screen) -> Iterator[str]:
    """Yield lines of blind answers, each after its score; `name` labels the first."""
    for rollout in rollouts:
        yield from labelled(name, f"{_score(rollout.score)}  {rollout.answer}", screen)
        name = ""


def labelled(name: str, value: str, screen: Screen) -> list[str]:
    """Format a value as a paragraph beside its name."""
    indent = " " * (_LABEL + 3)
    width = max(20, screen.text_width - len(indent))
    first, *rest = _wrapped(_plain(value), width) or ["-"]
    label = screen.paint(_plain(name).ljust(_LABEL), "dim")
    return [f"  {label} {first}", *(indent + line for line in rest)]


def band(name: str | None, screen: Screen) -> str:
    """Format a band in its colour."""
    if name is None:
        return "no scores"
    return screen.paint(name if name == "middle" else name.upper(), _BANDS[name])


def _plain(value: str) -> str:
    """Return a text in one line, without control characters."""
    return " ".join(visible(value).split())


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False)


def _score(value: float | None) -> str:
    return "   -" if value is None else f"{value:.2f}"


def _head(key: str, record: ShownRecord, probe: ShownProbe, screen: Screen) -> str:
    scores = [each.score for each in probe.rollouts if each.score is not None]
    return ", ".join(
        [
            screen.paint(_plain(key), "bold"),
            _plain(f"{probe.scope} {probe.target}"),
            band(probe.band, screen) + (f" (max {max(scores):.2f})" if scores else ""),
            _plain(f"document {record.doc_id}"),
            f"round {record.round}",
            *([f"slot {probe.slot}"] if probe.slot is not None else []),
        ]
    )


def _passage(record: ShownRecord, probe: ShownProbe, screen: Screen, around: int) -> Iterator[str]:
    """Yield the lines of the text around split and atom; its beginning if they are not known."""
    found = _excerpt(record, probe, around)
    if not screen.colour:
        for mark, brackets in _BRACKETS.items():
            found = found.replace(mark, brackets)
    inside = False
    for paragraph in filter(str.strip, re.split(r"[\n\r]+", found)):
        words = " ".join(paragraph.split())
        for line in _wrapped(words, max(20, screen.text_width - 2)):
            shown, inside = _painted(line, screen, inside=inside)
            yield f"  {shown}"


def _excerpt(record: ShownRecord, probe: ShownProbe, around: int) -> str:
    """Return the pieces of text to show, with marks, joined by gaps."""
    parts: list[str] = []
    inside = False
    for piece in passages.excerpt(record.text, probe.name, probe.split, around):
        if inside and not piece.atom:
            parts.append(_END)
        if piece.split:
            parts.append(f" {_SPLIT} ")
        if piece.atom and not inside:
            parts.append(_BEGIN)
        inside = piece.atom
        parts.append(_GAP if piece.gap else "")
        parts.append(visible(piece.text))
    parts.append(_END if inside else "")
    return "".join(parts)


def _painted(line: str, screen: Screen, *, inside: bool) -> tuple[str, bool]:
    """Paint the marked parts of a line; `inside`: it begins within the atom, also returned."""
    shown = []
    for part in re.split(f"([{_BEGIN}{_END}{_SPLIT}])", line):
        if part in (_BEGIN, _END):
            inside = part == _BEGIN
        elif part == _SPLIT:
            shown.append(screen.paint("||", "magenta"))
        elif part:
            shown.append(screen.paint(part, "atom") if inside else part)
    return "".join(shown), inside
