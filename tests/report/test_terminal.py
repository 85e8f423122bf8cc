"""Tables within the width of a terminal: nothing is lost, and every line fits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from compiler.report import terminal, tree
from compiler.report.screen import Screen

WORDS = st.lists(st.text("abcdefgh", min_size=1, max_size=9), max_size=30).map(" ".join)
NUMBER = st.integers(0, 10**9)


@given(
    st.lists(st.tuples(WORDS, WORDS, NUMBER, NUMBER, NUMBER, WORDS), min_size=1, max_size=5),
    st.integers(60, 120),
)
def test_every_line_fits_and_every_word_and_number_is_kept(
    rows: list[tuple[object, ...]], width: int
) -> None:
    header = ("scope", "reason", "slots", "of all", "a longer head of numbers", "meaning")
    found = terminal.table(header, rows, Screen(width))

    assert all(len(line) <= width for line in found.splitlines())
    for row in rows:
        for value in row:
            for word in (f"{value:,}" if isinstance(value, int) else str(value)).split():
                assert word in found
    whole = terminal.table(header, rows)
    if max(map(len, whole.splitlines())) <= width:
        assert found == whole


def test_numbers_that_are_too_wide_go_into_blocks_with_the_names_of_the_rows() -> None:
    header = ["scope", "target", *(f"measure{n}" for n in range(9))]
    rows = [["word", "prefix", *range(9)], ["lens", "suffix", *range(9)]]
    found = terminal.table(header, rows, Screen(60))

    blocks = found.split("\n\n")
    assert len(blocks) == 3
    for block in blocks:
        assert block.startswith("scope  target  ")
        assert block.count("\nword   prefix  ") == 1
    heads = [word for block in blocks for word in block.splitlines()[0].split()[2:]]
    assert heads == header[2:]


def test_a_block_is_as_wide_as_its_own_columns_allow() -> None:
    rows = [[n, "a" * 30, "b" * 30, "some words about it"] for n in range(2)]
    found = terminal.table(["n", "a", "b", "about"], rows, Screen(60))

    first, second = found.split("\n\n")
    assert [line.split()[0] for line in second.splitlines()] == ["n", "-", "0", "1"]
    assert second.splitlines()[2].endswith(f"{'b' * 30}  some words about it")
    assert first.splitlines()[2].endswith("a" * 30)


def test_the_tables_of_two_datasets_are_one_where_their_columns_agree() -> None:
    def section(rows: tuple[tuple[object, ...], ...], meaning: str = "") -> tree.Section:
        columns = (tree.word("scope"), tree.count("rows"))
        return tree.Section("s", "S", "", (tree.Table("t", "T", meaning, columns, rows),))

    a, b = section((("word", 1), ("all", 2))), section((("word", 3), ("lens", 4)))
    (one,) = tree.beside({"a": [a], "b": [b]})
    assert one.header == ("scope", "dataset", "rows")
    assert one.rows == (("word", "a", 1), ("word", "b", 3), ("all", "a", 2), ("lens", "b", 4))
    apart = [*tree.beside({"a": [a], "b": [section((("word", 3),), "other bands")]})]
    assert [table.rows[0] for table in apart] == [("word", "a", 1), ("word", "b", 3)]


def test_a_title_is_bold_only_with_colours() -> None:
    made = tree.Table("t", "Title", "what it means", (tree.word("a"),), (("b",),))

    assert terminal.render(made).startswith("Title: what it means\n")
    assert terminal.render(made, Screen(80, colour=True)).startswith("\x1b[1mTitle\x1b[0m: what")
