"""The context-aware choice rate, by hand."""

from __future__ import annotations

from compiler.probes.segment import split_kind
from compiler.records import ProbeFact
from compiler.statistics.context import contexts, findings
from compiler.statistics.observations import gather
from tests.statistics.test_stats import fact, stats


def row(doc: str, atom: int, other: int, **more: object) -> ProbeFact:
    values = {"attested": (atom, other), "level": 0, "split_kind": "within", "distance": 3, **more}
    return fact(doc, None, "word", **values)


def test_the_rate_is_over_decided_pairs_beside_their_share() -> None:
    rows = [row("a", 3, 1), row("b", 2, 2), row("c", 0, 1), row("d", 5, 0), row("e", 0, 0)]
    untested = fact("f", None, "word", level=1, split_kind="line", distance=9)

    every, *others = contexts(gather([*rows, untested]), ["word", "lens"])

    assert (every.rows, every.tested, every.decided) == (6, 5, 3)
    assert every.rate.value == 0.666667
    assert [(each.dimension, each.group, each.rows) for each in others] == [
        ("split", "within", 5),
        ("split", "line", 1),
        ("distance", "2-4", 5),
        ("distance", "5-15", 1),
        ("level", "0", 5),
        ("level", "1", 1),
    ]
    line = others[1]
    assert (line.tested, line.decided, line.rate.value) == (0, 0, None)


def test_a_cell_that_context_decides_is_a_finding() -> None:
    won = [row(f"d{n}", 2, 0) for n in range(40)]
    lost = [row(f"d{n}", 0, 2) for n in range(40)]

    assert [place for _, place, _ in findings(contexts(gather(won), ["word"]))] == [
        "word/suffix",
        "word/suffix/within",
    ]
    assert list(findings(contexts(gather(won + lost), ["word"]))) == []


def test_rows_of_written_scopes_are_no_cell() -> None:
    assert contexts(gather([fact("a", 0.5)]), ["word", "sentence"]) == ()


def test_the_kind_of_a_split_is_the_same_on_both_sides_of_its_gap() -> None:
    text = 'One line\nTwo "ends." Three goes on'

    assert {split_kind(text, at) for at in (8, 9)} == {"line"}
    assert {split_kind(text, at) for at in (19, 20)} == {"sentence"}
    assert {split_kind(text, at) for at in (25, 26)} == {"within"}


def test_rows_are_counted_by_the_origin_of_their_atoms() -> None:
    rows = [row("a", 1, 0, origin="human"), row("b", 1, 0, origin="human"), fact("c", 0.5)]

    found = {each.scope: each.origins for each in stats(rows).scopes}
    assert found == {"word": {"human": 2}, "sentence": {}}
    assert ("origin", "human", 2) in {
        (each.dimension, each.group, each.rows) for each in stats(rows).contexts
    }
