"""One tree of sections and tables: the same cells in every renderer, one name per quantity."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from msgspec.structs import replace

from compiler.records import AuditScore, ProbeFact, Reject
from compiler.report import html, markdown, terminal
from compiler.report.figures import FIGURES
from compiler.report.figures.headline import headline, verdict
from compiler.report.sections import SUMMARY, sections
from compiler.report.sections.cells import CHANGES
from compiler.report.tree import ALL, Table, count, rows, word
from compiler.spec.scoring import Anchors
from compiler.statistics.artefacts import Pair
from compiler.statistics.ledger import BuildStats, UsageStats, close
from compiler.statistics.measures.intervals import Interval
from compiler.statistics.observations import gather
from compiler.statistics.stats import Rules, Stats, compute

LIMITS = Anchors(min_gap=0.2)
DOCUMENTS = 60
ROLLOUTS = 5
SCOPES = ("word", "sentence")

# The name of a quantity, and synonyms that must not occur.
SYNONYMS = {
    "mean score": ("mean blind score", "blind mean", "average score"),
    "expected max of k": ("best of", "mean of max", "expected best", "e[max"),
    "std of max": ("sd of max", "std of the max"),
    "HARD (max < x)": ("hard rate", "hard below"),
    "EASY (max >= x)": ("easy rate", "easy from"),
    "leaking": ("leaky", "leakage"),
    "re-solved by k new": ("resolved", "fresh rollouts"),
    "all": ("pooled", "overall"),
    "choice-only accuracy": ("told apart", "choice without context"),
    "repeated questions": ("duplicate questions", "duplicated questions"),
    "maximum": ("best",),
}


def fact(n: int, slot: int, scope: str, target: str, **more: object) -> ProbeFact:
    values: dict[str, Any] = {
        "round": n % 2, "doc_id": f"d{n:02}", "slot": slot, "scope": scope, "target": target,
        "typicality": None, "status": "local", "scores": None, "seconds": None, "baselines": {},
        "flags": (), "same_split": n == 0, "support": None, "n_others": 2,
        "question": None, "distance": None, "chars": (9, 9, 9, None),
    }  # fmt: skip
    values.update(more)
    return ProbeFact(**values)


def written(n: int, slot: int, target: str) -> ProbeFact:
    """Return a scored sentence probe; a document's scores grow with its number."""
    scores = tuple(((7 * n + 3 * k + slot) % 11) * n / 10 / DOCUMENTS for k in range(ROLLOUTS))
    suffix = target == "suffix"
    return fact(
        n, slot, "sentence", target,
        status="answer_failed" if n == 5 else "decided" if n == 7 else "scored",
        scores=None if n == 5 else scores[:3] if n == 7 else scores,
        seconds=None if n in (5, 7) else scores[::-1],
        baselines={"no_context": (0.1, 0.0), "full_information": (0.9, 1.0)} if n != 5 else {},
        flags=("V14",) if n < 9 else (),
        typicality=("typical" if n % 3 else "atypical") if suffix else None,
        support=n % 3 if suffix else None,
        question=f"question {n // 2 if n < 20 else n}",
        distance=1 + n % 20,
        chars=(9, 9, 9, 20 + n),
    )  # fmt: skip


def demo_like() -> Stats:
    """Return the statistics of a build in which every table of the tree has rows."""
    facts = [fact(n, 1, "word", "suffix") for n in range(DOCUMENTS)]
    facts += [written(n, 10, "suffix") for n in range(DOCUMENTS)]
    facts += [written(n, 11, "prefix") for n in range(DOCUMENTS - 2)]
    audits = [AuditScore(f"d{n:02}", 10, "gold", (0.9,)) for n in range(DOCUMENTS)]
    audits += [AuditScore(f"d{n:02}", 10, "alternative", (0.3,)) for n in range(DOCUMENTS)]
    audits += [AuditScore("d00", 11, "unknown", (None,))]
    audits += [
        AuditScore(row.doc_id, row.slot, "again_1", tuple(min(1.0, s + 0.01) for s in row.scores))
        for row in facts
        if row.status == "scored" and row.scores is not None
    ]
    pairs = [
        Pair("sentence", "suffix", f"d{n:02}", f"truth {n} of it", f"OTHER {n}!", (12, 9))
        for n in range(DOCUMENTS)
    ]
    observed = gather(facts)
    rejects = [
        Reject(n % 2, f"d{n}", 11, "sentence", "finalize", "slot_missing", "")
        for n in (DOCUMENTS - 2, DOCUMENTS - 1)
    ]
    drawn = (DOCUMENTS // 2, DOCUMENTS // 2)
    build = BuildStats(
        planned=3 * DOCUMENTS,
        documents_drawn=DOCUMENTS,
        rounds=drawn,
        ledger=close({"word": 1, "sentence": 2}, drawn, rejects, observed),
        skips={"sibling_empty": 3},
        rungs={"strict": DOCUMENTS},
        usage=(UsageStats("generate", "generator", DOCUMENTS, 1000, 100, 0.5),),
    )
    return compute(observed, pairs, audits, Rules(0.4, 0.8, SCOPES), build)


STATS = demo_like()
TREE = sections(STATS, LIMITS)
TABLES = {table.name: table for section in TREE for table in section.tables}
ODD = Table(
    "odd",
    "Texts that a renderer must escape",
    "pipes, markup and an empty cell",
    (word("a | b"), count("n"), word("<i>")),
    rows([("x|y", 1234, "a & <b>"), ("", None, "“z”")]),
)
EVERY = [pytest.param(table, id=table.name) for table in (*TABLES.values(), ODD)]


def expected(table: Table) -> list[list[str]]:
    return [list(table.header), *map(list, table.cells)]


def of_terminal(text: str) -> Iterator[list[str]]:
    """Yield the cells under each span of the line of dashes, and the header above it."""
    lines = text.split("\n")
    rule = next(n for n, line in enumerate(lines) if line and not set(line) - set("- "))
    spans = [each.span() for each in re.finditer("-+", lines[rule])]
    for line in [lines[rule - 1], *lines[rule + 1 :]]:
        yield [line[start:end].strip() for start, end in spans]


def of_markdown(text: str) -> Iterator[list[str]]:
    head, _, *lines = text.split("\n")
    for line in (head, *lines):
        cells = re.split(r"(?<!\\)\|", line)[1:-1]
        yield [cell.strip().replace("\\|", "|") for cell in cells]


class Cells(HTMLParser):
    """The texts of the cells of a table, by row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip("\n")


@pytest.mark.parametrize("table", EVERY)
def test_a_table_has_the_same_cells_in_terminal_markdown_and_html(table: Table) -> None:
    assert list(of_terminal(terminal.render(table))) == expected(table)
    assert list(of_markdown(markdown.render(table))) == expected(table)
    assert Cells(html.render(table)).rows == expected(table)


def test_figures_and_the_summary_name_tables_of_the_tree() -> None:
    names = [table.name for section in TREE for table in section.tables]

    assert len(names) == len(set(names))
    assert set(FIGURES) <= set(names)
    assert set(SUMMARY) <= set(names)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_panels_where_its_table_has_rows(name: str) -> None:
    assert TABLES[name].rows
    assert FIGURES[name](STATS, LIMITS).panels


def words_of_the_tree() -> Iterator[tuple[str, str]]:
    """Yield (place, text) for all texts of the tree except those of registries."""
    for section in TREE:
        for text in (section.title, section.lead, *section.notes):
            yield section.name, text
    for name, table in TABLES.items():
        for text in (table.title, table.meaning, table.watch, *table.header):
            yield name, text
        # A column of meanings shows texts of the registries of checks, reasons and statuses.
        own = [n for n, head in enumerate(table.header) if head != "meaning"]
        for row in table.cells:
            yield from ((name, row[n]) for n in own)
    for name, draw in FIGURES.items():
        for panel in draw(STATS, LIMITS).panels:
            for text in (panel.title, panel.note, *re.findall(">([^<]+)<", panel.svg)):
                yield f"figure {name}", text
    yield from (("headline", name) for name in headline(STATS, LIMITS).names)
    yield "verdict", verdict(STATS, LIMITS)


@pytest.mark.parametrize("name", SYNONYMS)
def test_a_quantity_has_one_name(name: str) -> None:
    found = [
        (place, text)
        for place, text in words_of_the_tree()
        for synonym in SYNONYMS[name]
        if re.search(rf"\b{re.escape(synonym)}", text.casefold())
    ]

    assert not found


def test_the_noise_of_the_judge_stands_beside_hard_wherever_it_is_reported() -> None:
    hard = [table.name for table in TABLES.values() if any("HARD" in name for name in table.header)]
    once = replace(STATS, judge=replace(STATS.judge, noise=(), again=None))
    bare = {section.name: section for section in sections(once, LIMITS)}

    assert hard == ["scores", "scores_by_typicality"]
    assert all(CHANGES in TABLES[name].header for name in hard)
    assert CHANGES in headline(STATS, LIMITS).names
    assert CHANGES not in headline(once, LIMITS).names
    assert any("judged twice" in note for note in bare["scores"].notes)


def test_a_wrong_anchor_above_its_limit_is_a_warning() -> None:
    unknown = next(each for each in STATS.judge.anchors if each.kind == "unknown")
    accepted = replace(unknown, mean=Interval(0.5, None, None, 9, 9))
    stats = replace(STATS, judge=replace(STATS.judge, anchors=(accepted,)))

    assert any("I don't know” 0.5" in each for each in headline(stats, LIMITS).warnings)
    assert not any("I don't know" in each for each in headline(STATS, LIMITS).warnings)


def test_names_of_scores_are_the_same_in_every_table_and_in_the_headline() -> None:
    names = {"mean score", "expected max of 3", "HARD (max < 0.4)", "EASY (max >= 0.8)", CHANGES}

    assert names <= set(TABLES["scores"].header)
    assert names == set(headline(STATS, LIMITS).names)
    assert {"std of max", "leaking"} <= set(TABLES["scores"].header)
    assert "mean score" in TABLES["baselines"].header
    assert {"mean score", "expected max of 3"} <= set(TABLES["distances"].header)
    assert "re-solved by 3 new" in TABLES["unsolved"].header
    assert "choice-only accuracy" in TABLES["choice"].header
    assert "repeated questions" in TABLES["repeated"].header
    assert TABLES["scores"].cells[-1][:2] == (ALL, ALL)


def test_a_verdict_names_the_size_the_bands_and_each_point_once() -> None:
    unknown = next(each for each in STATS.judge.anchors if each.kind == "unknown")
    accepted = replace(unknown, mean=Interval(0.5, None, None, 9, 9))
    stats = replace(STATS, embedded=True, judge=replace(STATS.judge, anchors=(accepted,)))

    assert verdict(stats, LIMITS) == (
        "178 probes of 60 documents: of the 116 with blind scores, 44.8% (32.5 to 57.5) are HARD "
        "and 11.2% (5.1 to 19.0) are EASY; text alone can pick the truth in sentence/suffix; the "
        "judge is unreliable in sentence; 2 rows lack scores; rule V24 is broken; the scores are "
        "simulated by the embedded model."
    )


def test_a_verdict_without_scores_or_points_says_so() -> None:
    silent = Rules(0.4, 0.8, SCOPES)
    bare = compute(gather([fact(0, 1, "word", "suffix")]), (), (), silent, None)
    good = compute(gather([written(1, 10, "suffix")]), (), (), silent, None)

    assert verdict(bare, LIMITS) == "1 probe of 1 document, without blind scores."
    assert verdict(good, LIMITS) == (
        "1 probe of 1 document: of the 1 with blind scores, 100.0% are HARD and 0.0% are EASY; "
        "nothing else stands out."
    )


def test_a_broken_rule_is_one_warning_that_names_its_cells() -> None:
    (cell,) = [
        each for each in STATS.artefacts if (each.scope, each.target) == ("sentence", "suffix")
    ]
    other = replace(cell, target="prefix")
    warned = headline(replace(STATS, artefacts=(cell, other)), LIMITS).warnings

    (found,) = [each for each in warned if "V26" in each]
    assert "sentence/suffix (choice-only" in found
    assert "sentence/prefix (choice-only" in found
