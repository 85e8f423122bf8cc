"""The tables of an evaluation, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from compiler.evaluation.places import ALL
from compiler.evaluation.results import CellResult, Evaluation, Line
from compiler.report import numbers
from compiler.report.tree import Column, Section, Table, count, estimate, rows, score, value, word

_CELL = (word("scope"), word("target"), word("band"), word("metric"))
_LEAD = (
    "A method answers each question from the hidden state at the split. Its latent gain is its "
    "score less that of its control on the same probes: the same method without that state. A "
    "missing answer of a method counts as 0; a probe whose control has no answer is left out of "
    "the gain. Intervals are 95%, from resampling documents with the same draws for all methods."
)


def sections(found: Evaluation) -> tuple[Section, ...]:
    """Make the sections, without empty tables."""
    notes = (*found.facts, *found.results.notes)
    tables = (headline(found), typicality(found), differences(found))
    details = (measures(found), sensitivity(found), judge(found))
    return (
        Section("scores", "Scores and latent gain", _LEAD, _full(tables), notes),
        Section(
            "details",
            "Other measures and checks",
            "The same predictions under other measures, without suspect probes, and what the judge "
            "made of them.",
            _full(details),
        ),
    )


def summary(found: Evaluation) -> tuple[Table, ...]:
    """Make the tables that the command prints."""
    return _full((headline(found), differences(found)))


def _full(tables: Sequence[Table]) -> tuple[Table, ...]:
    return tuple(table for table in tables if table.rows)


def headline(found: Evaluation) -> Table:
    """Tabulate every method in every cell over both typicality labels."""
    cells = [cell for cell in _main(found) if not cell.typicality]
    return Table(
        "headline",
        "Scores and latent gain",
        "latent gain: score less control on the same probes; over blind: score less that of the "
        "blind reader, free of the selection of the band; gap closed: share of the gap between the "
        "blind reader and full information; rank: by gain, with its interval",
        (*_CELL, *_LINE),
        rows((*_place(cell), *_line(line)) for cell in cells for line in cell.lines),
    )


def typicality(found: Evaluation) -> Table:
    """Tabulate the same numbers of suffix targets by the generator's label."""
    cells = [cell for cell in _main(found) if cell.typicality]
    return Table(
        "typicality",
        "By typicality",
        "suffix targets by the generator's label",
        (word("typicality"), *_CELL, *_LINE),
        rows((c.typicality, *_place(c), *_line(line)) for c in cells for line in c.lines),
    )


def differences(found: Evaluation) -> Table:
    """Tabulate paired differences of methods."""
    cells = [cell for cell in _main(found) if not cell.typicality]
    return Table(
        "differences",
        "Paired differences",
        "mean score of the first method less that of the second on the same probes; p: two-sided "
        "from the resamples, adjusted by Holm over the pairs of the cell",
        (*_CELL, *_PAIR),
        rows(
            (
                *_place(cell),
                f"{pair.first} - {pair.second}",
                pair.difference.n,
                pair.difference,
                pair.p,
                pair.adjusted,
            )
            for cell in cells
            for pair in cell.pairs
        ),
    )  # fmt: skip


def measures(found: Evaluation) -> Table:
    """Tabulate the measures beside those of the headline."""
    cells = [c for c in found.results.cells if not (c.primary or c.clean or c.typicality)]
    return Table(
        "measures",
        "Other measures",
        "the same answers by other rules; win: the truth has the higher log probability than the "
        "plausible wrong answer, of which chance is the control's rate and not one half",
        (*_CELL, *_SHORT),
        rows((*_place(cell), *_brief(line)) for cell in cells for line in cell.lines),
    )


def sensitivity(found: Evaluation) -> Table:
    """Tabulate the headline without probes that leak or repeat a question."""
    cells = [cell for cell in found.results.cells if cell.clean and cell.primary]
    return Table(
        "sensitivity",
        "Without leaking and repeated probes",
        "probes without the flags V14 and V28 and whose question no other document has; a gain "
        "that vanishes here came from the text",
        (*_CELL, *_SHORT),
        rows((*_place(cell), *_brief(line)) for cell in cells for line in cell.lines),
    )


def judge(found: Evaluation) -> Table:
    """Tabulate failed verdicts, and the correlation of scores with the length of answers."""
    return Table(
        "judge",
        "The judge",
        "answers whose verdict was no number, left out of all means; verbosity: rank correlation "
        "of score and length of the answer",
        (word("method"), word("control"), count("answers"), count("failed"), score("verbosity")),
        rows(
            (line.method, line.control, line.judged, line.failed, line.verbosity)
            for line in found.results.judge
        ),
    )


def _main(found: Evaluation) -> Iterator[CellResult]:
    return (cell for cell in found.results.cells if cell.primary and not cell.clean)


def _place(cell: CellResult) -> tuple[str, str, str, str]:
    band = cell.band if cell.band == ALL else cell.band.upper()
    return cell.scope, cell.target, band, cell.metric


_LINE: tuple[Column, ...] = (
    word("method"),
    count("n"),
    count("documents"),
    count("missing"),
    estimate("score"),
    value("control"),
    estimate("latent gain"),
    estimate("over blind"),
    value("gap closed"),
    Column("rank", lambda found: rank(found)),
)
_PAIR: tuple[Column, ...] = (
    word("methods"),
    count("n"),
    estimate("difference"),
    score("p"),
    score("adjusted p"),
)
_SHORT: tuple[Column, ...] = (
    word("method"),
    count("n"),
    estimate("score"),
    value("control"),
    estimate("latent gain"),
)


def _line(line: Line) -> tuple[object, ...]:
    return (
        line.method,
        line.n,
        line.documents,
        line.missing,
        line.score,
        control(line),
        line.gain,
        line.over_blind,
        line.gap_closed if line.gap_closed is not None else line.gap or None,
        line.rank,
    )


def _brief(line: Line) -> tuple[object, ...]:
    return line.method, line.n, line.score, control(line), line.gain


def control(line: Line) -> str | None:
    """Describe the control of a method in a cell: `0.123, shuffled`, `0.123, text by NAME`."""
    if line.control_score is None:
        return None
    by = f" by {line.by}" if line.by != line.method else ""
    return f"{numbers.score(line.control_score.value)}, {line.control}{by}"


def rank(found: object) -> str:
    """Format a rank: `1`, or `1 to 2` where its interval holds several."""
    low, high = getattr(found, "low", None), getattr(found, "high", None)
    if low is None or high is None:
        return numbers.MISSING
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"
