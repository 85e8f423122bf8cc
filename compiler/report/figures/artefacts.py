"""What could give answers away, and whether labels mean anything."""

from __future__ import annotations

from compiler.probes.checks import CHECKS
from compiler.report.card import interval, number, share
from compiler.report.figures.figure import Figure, Panel, Section, Table
from compiler.report.plots import canvas
from compiler.report.plots.dots import Dot, Mark, dots
from compiler.report.plots.shares import Share, shares
from compiler.statistics.artefacts import ArtefactStats, findings
from compiler.statistics.measures.intervals import Interval
from compiler.statistics.stats import Stats

_LOW_AUC = 0.4
_NO_KAPPA = "not defined, because one of the two says the same of all"


def section(stats: Stats) -> Section:
    """Flags, repeated questions, the choice-only test, typicality."""
    lead = (
        "Words of the answer that stand in the question or the complement, questions that repeat, "
        "alternatives that can be told from the truth without reading anything else: each makes "
        "probes easier than they look."
    )
    figures, absent = [], []
    if stats.flags:
        figures.append(_flags(stats))
    else:
        absent.append("No row carries a warning.")
    if any(cell.questions for cell in stats.artefacts):
        figures.append(_repeated(stats))
    if any(_told_apart(cell).value is not None for cell in stats.artefacts):
        figures.append(_choice(stats))
    else:
        absent.append("Too few pairs of truth and alternative for the choice-only test.")
    t = stats.typicality
    if t.both_typical + t.only_label + t.only_mechanical + t.both_atypical:
        figures.append(_typicality(stats))
    else:
        absent.append(
            "No row has both a typicality label and a count of siblings that hold its atom."
        )
    if stats.same_split_share is not None:
        absent.append(
            f"{canvas.percent(stats.same_split_share)} of the documents use one offset for all of "
            "their splits."
        )
    return Section(
        "artefacts", "What could give answers away", lead, tuple(figures), (*broken(stats), *absent)
    )


def broken(stats: Stats) -> list[str]:
    """The rules of the whole set that are broken, one sentence a rule with all of its places."""
    found: dict[str, list[str]] = {}
    for check, place, detail in findings(stats.artefacts):
        found.setdefault(check, []).append(f"{place} {detail}")
    return [
        f"{check}, not so: {CHECKS[check].meaning} ({'; '.join(places)})."
        for check, places in found.items()
    ]


def _flags(stats: Stats) -> Figure:
    found = sorted(stats.flags.items(), key=lambda each: (-each[1], each[0]))
    bars = [Share(_named(name), count / stats.probes, count) for name, count in found]
    rows = tuple(
        (name, f"{count:,}", share(count, stats.probes), _meaning(name)) for name, count in found
    )
    return Figure(
        "Warnings that rows carry",
        "Each bar is one rule and the share of all rows that break it; such rows are kept, with "
        "the rule's id in their flags. The rules are below the plot, in the numbers.",
        "V14 or V28 on many rows: much of the answer can be read off the complement or question.",
        (Panel("rules broken", shares(bars, "share of all rows")),),
        Table(("id", "rows", "share", "the rule that is broken"), rows, 1, 1),
        wide=True,
    )


def _repeated(stats: Stats) -> Figure:
    cells = [cell for cell in stats.artefacts if cell.questions]
    values = [cell.repeated / cell.questions for cell in cells]
    high = canvas.ceiling(max(values))
    panel = Panel(
        "repeated questions",
        dots(
            [
                Dot(_place(cell), Interval(value, None, None, cell.questions, 0), cell.target)
                for cell, value in zip(cells, values, strict=True)
            ],
            "share of written questions",
            0.0,
            high,
            (Mark(0.05, "limit 5%"),),
            canvas.percent,
        ),
    )
    rows = tuple(
        (
            _place(cell),
            f"{cell.rows:,}",
            f"{cell.questions:,}",
            f"{cell.repeated:,}",
            share(cell.repeated, cell.questions),
            share(cell.typical, cell.typical + cell.atypical),
        )
        for cell in stats.artefacts
    )
    header = ("cell", "rows", "written questions", "repeated", "share", "typical of labelled")
    return Figure(
        "Questions that stand on more than one row",
        "The share of written questions that another row of the cell asks in the same words.",
        "More than 5%: questions follow a mould and can be answered without their document.",
        (panel,),
        Table(header, rows),
    )


def _choice(stats: Stats) -> Figure:
    found = [_told_apart(cell) for cell in stats.artefacts]
    known = [each.low or each.value for each in found if each.value is not None]
    panel = Panel(
        "truth against alternative",
        dots(
            [Dot(_place(cell), _told_apart(cell), cell.target) for cell in stats.artefacts],
            "share of pairs told apart by a classifier of texts alone",
            0.0 if min(known) < _LOW_AUC else _LOW_AUC,
            1.0,
            (Mark(0.5, "chance"), Mark(0.6, "limit")),
        ),
    )
    rows = tuple(
        (
            _place(cell),
            f"{cell.choice.pairs:,}",
            interval(cell.choice.won),
            number(cell.length_ratio),
        )
        for cell in stats.artefacts
    )
    return Figure(
        "Telling the alternative from the truth without context",
        "How often a classifier that sees nothing but the two texts tells them apart; 0.5 is "
        "chance. Length: the alternative's characters over the truth's, median.",
        "Above 0.6: the alternatives carry a mark of how they were made, and a contrast between "
        "truth and alternative measures that mark as well.",
        (panel,),
        Table(("cell", "pairs", "told apart", "length"), rows),
    )


def _told_apart(cell: ArtefactStats) -> Interval:
    return cell.choice.won


def _typicality(stats: Stats) -> Figure:
    t = stats.typicality
    total = t.both_typical + t.only_label + t.only_mechanical + t.both_atypical
    same = t.both_typical + t.both_atypical
    kappa = number(t.kappa) if t.kappa is not None else _NO_KAPPA
    rows = (
        ("label typical", f"{t.both_typical:,}", f"{t.only_label:,}"),
        ("label atypical", f"{t.only_mechanical:,}", f"{t.both_atypical:,}"),
    )
    return Figure(
        "Typicality: the generator's label beside the siblings",
        f"Of {total:,} suffix atoms, label and sibling support agree on {same:,}; Cohen's kappa is "
        f"{kappa}. Support means that at least three other siblings (or all, if fewer) "
        "hold the atom's content.",
        "A kappa near 0: the label says little about what the model was going to write.",
        (),
        Table(("", "siblings support it", "siblings do not"), rows),
    )


def _place(cell: ArtefactStats) -> str:
    return f"{cell.scope}, {cell.target}"


def _named(name: str) -> str:
    return CHECKS[name].reason.replace("_", " ") if name in CHECKS else name


def _meaning(name: str) -> str:
    return CHECKS[name].meaning if name in CHECKS else "a rule of another version"
