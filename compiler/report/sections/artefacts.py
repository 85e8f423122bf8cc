"""Dataset-level artifacts: flags, repeated questions, choices without context, labels."""

from __future__ import annotations

from compiler.probes.checks import CHECKS
from compiler.report import numbers
from compiler.report.sections.cells import CELL
from compiler.report.tree import Section, Table, count, estimate, percent, rows, score, word
from compiler.statistics.artefacts import findings
from compiler.statistics.stats import Stats

UNKNOWN = "a rule of another version"
_LEAD = (
    "Words of the answer in the question or the complement, repeated questions, alternatives that "
    "differ from the truth at first sight: each makes probes easier than they look."
)


def section(stats: Stats) -> Section:
    """Broken rules, flags, repeated questions, choices without context, typicality."""
    found = (
        (violations(stats), "No rule about the whole set is broken."),
        (flags(stats), "No row carries a flag."),
        (repeated(stats), ""),
        (choice(stats), "Too few pairs of truth and alternative for the choice-only test."),
        (typicality(stats), "No row has both a typicality label and a count of sibling support."),
    )
    same = stats.same_split_share
    offsets = (
        ()
        if same is None
        else (f"{numbers.percent(same)} of the documents use one offset for all of their splits.",)
    )
    return Section(
        "artefacts",
        "Dataset-level artifacts",
        _LEAD,
        tuple(table for table, _ in found if table is not None),
        (*(absent for table, absent in found if table is None and absent), *offsets),
    )


def violations(stats: Stats) -> Table | None:
    """Broken rules of the whole set."""
    found = [
        (check, place, detail, CHECKS[check].meaning)
        for check, place, detail in findings(stats.artefacts)
    ]
    if not found:
        return None
    return Table(
        "violations",
        "Broken rules of the dataset",
        "rules that only many rows together can break",
        (word("rule"), word("cell"), word("found"), word("meaning")),
        rows(found),
    )


def flags(stats: Stats) -> Table | None:
    """Rows by the rules that they break."""
    found = sorted(stats.flags.items(), key=lambda each: (-each[1], each[0]))
    if not found:
        return None
    return Table(
        "flags",
        "Flags",
        "rows that break a rule and are kept, with its id in `flags`",
        (word("rule"), count("rows"), percent("of all rows"), word("meaning")),
        rows(
            (name, n, n / stats.probes, CHECKS[name].meaning if name in CHECKS else UNKNOWN)
            for name, n in found
        ),
        "V14 or V28 on many rows: much of the answer can be read off the complement or question.",
    )


def repeated(stats: Stats) -> Table | None:
    """Questions that stand on more than one row."""
    found = [
        (
            cell.scope,
            cell.target,
            cell.rows,
            cell.questions,
            cell.repeated,
            cell.repeated / cell.questions if cell.questions else None,
            cell.typical / (cell.typical + cell.atypical) if cell.typical + cell.atypical else None,
        )
        for cell in stats.artefacts
    ]
    if not found:
        return None
    return Table(
        "repeated",
        "Repeated questions",
        "written questions that another row of the cell asks in the same words",
        (
            *CELL,
            count("rows"),
            count("written questions"),
            count("repeated questions"),
            percent("share repeated"),
            percent("typical of labelled"),
        ),
        rows(found),
        "More than 5%: questions follow a pattern and can be answered without their document.",
    )


def choice(stats: Stats) -> Table | None:
    """Pairs of truth and alternative that a classifier of the texts alone gets right."""
    if all(cell.choice.won.value is None for cell in stats.artefacts):
        return None
    return Table(
        "choice",
        "Choice without context",
        "share of pairs in which a classifier that sees only truth and alternative picks the "
        "truth (naive Bayes on character n-grams with a logistic regression on length and the "
        "like, folds by document); chance is 0.5; length: median ratio of alternative to truth",
        (*CELL, count("pairs"), estimate("choice-only accuracy"), score("length ratio")),
        rows(
            (cell.scope, cell.target, cell.choice.pairs, cell.choice.won, cell.length_ratio)
            for cell in stats.artefacts
        ),
        "Above 0.6: alternatives carry a mark of how they were made, and a contrast between truth "
        "and alternative measures that mark as well.",
    )


def typicality(stats: Stats) -> Table | None:
    """Agreement of the generator's label with the support among siblings."""
    t = stats.typicality
    total = t.both_typical + t.only_label + t.only_mechanical + t.both_atypical
    if not total:
        return None
    same = t.both_typical + t.both_atypical
    return Table(
        "typicality",
        "Typicality",
        f"the generator's label and the support among siblings (at least three others, or all if "
        f"fewer, hold the atom's content) agree on {same:,} of {total:,} suffix atoms; Cohen's "
        f"kappa {numbers.score(t.kappa)}",
        (word("label"), count("support typical"), count("support atypical")),
        rows(
            [
                ("typical", t.both_typical, t.only_label),
                ("atypical", t.only_mechanical, t.both_atypical),
            ]
        ),
        "A kappa near 0: the label says nothing about the siblings.",
    )
