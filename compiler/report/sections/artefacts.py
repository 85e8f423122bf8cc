"""Dataset-level artifacts: broken rules, repeated questions, choice-only accuracy, typicality."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from compiler.probes.checks import CHECKS
from compiler.report import numbers
from compiler.report.sections.cells import CELL
from compiler.report.tree import ALL, Section, Table, count, estimate, percent, rows, score, word
from compiler.statistics.artefacts import findings
from compiler.statistics.context import findings as decided
from compiler.statistics.stats import Stats

UNKNOWN = "a rule of another version"
_LEAD = (
    "Words of the answer in the question or the complement, repeated questions, alternatives that "
    "differ from the truth at first sight: each makes probes easier than they look."
)


def section(stats: Stats) -> Section:
    """Make the section; absent tables leave a note."""
    found = (
        (violations(stats), "No dataset-level rule is broken."),
        (flags(stats), "No row carries a flag."),
        (repeated(stats), ""),
        (choice(stats), "Too few pairs of truth and alternative for the choice-only test."),
        (context(stats), "No row has counts of held-out documents for the context-aware test."),
        (strata(stats), ""),
        (origins(stats), ""),
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
    """Tabulate the broken rules of the whole dataset."""
    found = [
        (check, place, detail, CHECKS[check].meaning)
        for check, place, detail in (*findings(stats.artefacts), *decided(stats.contexts))
    ]
    if not found:
        return None
    return Table(
        "violations",
        "Broken rules of the dataset",
        "rules about all rows of a cell or scope",
        (word("rule"), word("cell"), word("found"), word("meaning")),
        rows(found),
    )


def flags(stats: Stats) -> Table | None:
    """Tabulate rows by the rules that they break."""
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
        "V14 or V28 on many rows: the complement or the question holds much of the answer.",
    )


def repeated(stats: Stats) -> Table | None:
    """Tabulate the questions that are on more than one row."""
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
        "written questions whose exact words are also on another row of the cell",
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
    """Tabulate the choice-only accuracy of every cell."""
    if all(cell.choice.won.value is None for cell in stats.artefacts):
        return None
    return Table(
        "choice",
        "Choice-only accuracy",
        "share of pairs in which a classifier that sees only truth and alternative picks the "
        "truth (naive Bayes on character n-grams and a logistic regression on surface features, "
        "folds by document); chance is 0.5; length ratio: median of alternative over truth",
        (*CELL, count("pairs"), estimate("choice-only accuracy"), score("length ratio")),
        rows(
            (cell.scope, cell.target, cell.choice.pairs, cell.choice.won, cell.length_ratio)
            for cell in stats.artefacts
        ),
        "Above 0.6: alternatives carry an artifact of how they were made, and a contrast between "
        "truth and alternative measures that artifact as well.",
    )


def context(stats: Stats) -> Table | None:
    """Tabulate the context-aware choice rate by scope, target and kind of split."""
    return _rates(
        stats,
        ("", "split"),
        Table(
            "context",
            "Context-aware choice rate",
            "share of decided pairs in which the atom is attested more often than its alternative "
            "in the atom's place: counts of the pairs that it forms with the neighbouring tokens "
            "in held-out documents, from which no alternative was drawn; chance is 0.5; split: "
            "a line or a sentence ends there, or neither (within)",
            (*CELL, word("split"), *_RATE),
            (),
            "Above 0.6: a reader of the text can pick the atom without a latent, and a contrast "
            "between truth and alternative measures that as well.",
        ),
    )


def strata(stats: Stats) -> Table | None:
    """Tabulate the same rate by distance from the split, level of the search, and origin."""
    return _rates(
        stats,
        ("distance", "level", "origin"),
        Table(
            "strata",
            "Context-aware choice rate by stratum",
            "the same rate by distance of the atom from the split (abs_index), by level of the "
            "search for the alternative (alternative_level, see docs/probes.md), and by origin of "
            "the atom (human or generated text, or straddling both)",
            (*CELL, word("by"), word("stratum"), *_RATE),
            (),
            "Many rows at the last level: most places have no neighbours that other documents "
            "attest, and alternatives match in form only.",
        ),
    )


def origins(stats: Stats) -> Table | None:
    """Tabulate the rows of every scope by the origin of their atoms."""
    names = ("human", "generated", "straddling")
    found = [(s.scope, *(s.origins.get(name, 0) for name in names)) for s in stats.scopes]
    if not any(any(numbers) for _, *numbers in found):
        return None
    return Table(
        "origins",
        "Origin of atoms",
        "rows whose atom lies in the human-written beginning of the text, in generated text, or "
        "in both (atom_origin)",
        (word("scope"), *map(count, names)),
        rows(found),
        "Human atoms: the source model read them and never wrote them, so a probe of them measures "
        "memory of the text, not a plan.",
    )


_RATE = (count("rows"), count("decided"), percent("share decided"), estimate("choice rate"))


def _rates(stats: Stats, dimensions: Sequence[str], table: Table) -> Table | None:
    """Fill a table with the groups of some dimensions; None without rows with counts."""
    found = [
        (
            *(cell.scope, cell.target),
            *((cell.dimension,) if len(table.columns) > len(_RATE) + 3 else ()),
            *(cell.group or ALL, cell.rows, cell.decided),
            cell.decided / cell.tested if cell.tested else None,
            cell.rate,
        )
        for cell in stats.contexts
        if cell.dimension in dimensions
    ]
    if not any(cell.tested for cell in stats.contexts):
        return None
    return replace(table, rows=rows(found))


def typicality(stats: Stats) -> Table | None:
    """Tabulate the generator's label against the support among siblings."""
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
