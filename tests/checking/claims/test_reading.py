"""Claims are found in any layout; a text that is not a card has no claims and raises no error."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.checking.claims.checked import check, data, read
from compiler.checking.claims.page import decode, parse
from compiler.errors import SourceError
from tests.checking.claims.test_cards import CONSISTENT, FIGURES


def value(card: str, name: str, **about: str) -> object:
    claim = read(card).one(name, **about)
    return None if claim is None else claim.value


@pytest.mark.parametrize(
    ("written", "number", "slack"),
    [
        ("590,741", 590741, "0"),
        ("590\u202f741", 590741, "0"),
        ("~1227.3M", 1227300000, "50000"),
        ("100K", 100000, "500"),
        ("~$1003", 1003, "0.5"),
        ("$0.50", "0.50", "0.005"),
        ("41.8%", "41.8", "0.05"),
        ("five", 5, "0"),
    ],
)
def test_a_number_has_the_tolerance_of_its_rounding(
    written: str, number: int | str, slack: str
) -> None:
    assert parse(written) == (Decimal(number), Decimal(slack))


def test_a_number_is_read_as_a_whole_or_not_at_all() -> None:
    assert read("Total probes: 12,34\nprobes scored: 1.2.3\nprobes scored: x9").found == ()


def test_line_ends_and_a_byte_order_mark_change_nothing() -> None:
    assert read("\ufeff" + CONSISTENT.replace("\n", "\r\n")).found == read(CONSISTENT).found


def test_columns_are_found_by_their_header_in_any_order() -> None:
    card = (
        "| Rejected | **Built** | `scope` | Planned | HARD |\n|--:|:--|---|---|---|\n"
        r"| 3 | **1,007** | *word* | 1,010 | 41.8% [40.1, 43.0] \| 5 |"
        "\n| 0 | 5 | lens | 5 | 2%"
    )

    assert value(card, "built", scope="word") == 1007
    assert value(card, "planned", scope="word") == 1010
    assert value(card, "rejected", scope="word") == 3
    assert value(card, "hard", scope="word") == Decimal("41.8")
    assert value(card, "hard", scope="lens") == 2


SCORED = "| scope | scored |\n|---|---|\n| word | 7 |\n\n"


@pytest.mark.parametrize(
    "table",
    [
        "| scope | round | scored |\n|---|---|---|\n| word | 0 | 5 |\n| word |\n| lens | 0 | - |\n",
        "| scope | arm | scored |\n|---|---|---|\n| word | a | 7 |\n| word | b | 7 |\n",
        "| scope | typicality | scored |\n|---|---|---|\n| word | typical | 3 |\n",
        "## Judge anchors\n\n| scope | scored |\n|---|---|\n| word | 8 |\n",
    ],
    ids=["empty cells", "rows of an unknown kind", "typicality", "a control"],
)
def test_a_table_that_is_not_a_partition_is_not_summed(table: str) -> None:
    checked = check(SCORED + table)

    assert [claim.value for claim in checked.claims.named("scored")] == [7]
    assert checked.contradictions == ()


def test_two_histograms_are_kept_separate() -> None:
    card = "[0.0, 0.5) 3\n[0.5, 1.0] 5\n\n[0.0, 0.5) 1\n[0.5, 1.0] 2\n\nprobes scored: 8"

    assert "C06" not in check(card).applied


def test_dollars_are_not_compared_where_roles_have_different_prices() -> None:
    usage = "1M input + 1M output (judge); 1M input + 1M output (answerer); total cost: $19"
    prices = "$1/M input, $2/M output"

    assert check(f"{usage}\n{prices}").errors == 1
    assert check(f"{usage}\n{prices}; $3/M input, $4/M output").errors == 0


HOSTILE = {
    "empty": "",
    "line ends only": "\r\r\n\n",
    "no claims": "# A card\n\nNothing to see.",
    "broken front matter": "---\n:::\n- - -\nnum_examples: x\n",
    "zero everywhere": (
        "probes scored: 0\nmean 0.0, std 0.0, HARD (max<0.4) 0% EASY (max≥0.8) 0%\n"
        "[0.0, 0.2) 0 (0%)\n[0.2, 1.0] 0 (0%)\nanswerer calls: 0 × 0 = 0\n"
        "0 judge chunks ≤ 0 requests\nestimated tokens: 0 input + 0 output (answerer)\n"
    ),
    "invalid bins": "[..., 9.9.9) 3 (1%)\n[.2, .4) 5 (2%)\nprobes scored: 8",
    "overlong numbers": "Total probes: " + "9" * 4000 + "\n| scope | built |\n|---|---|\n| a | "
    + "9" * 4000 + " |",
    "pipes": "|" * 3000 + "\n" + "|-" * 3000 + "\n" + "|1" * 3000,
    "negative": "probes scored: -5\n[0.0, 1.0] -5 (-100%)\nmean -0.5 std -0.1",
    "blanks": "total" + " " * 200_000 + "(" + "\n" * 100_000,
    "letters": "a" * 300_000,
    "digits and signs": "1 + " * 30_000 + "(1 + 2 + " * 2_000,
    "binary": bytes(range(256)).decode("latin-1") * 20,
}  # fmt: skip


@pytest.mark.parametrize("card", HOSTILE.values(), ids=HOSTILE.keys())
def test_any_text_can_be_checked(card: str) -> None:
    checked = check(card)

    assert len(checked.applied) + len(checked.not_applied) == 15
    assert data(checked)


LINES = [line for card in (CONSISTENT, FIGURES) for line in card.split("\n") if line.strip()]


@given(
    st.lists(st.one_of(st.sampled_from(LINES), st.text(max_size=30)), max_size=25),
    st.sampled_from(["\n", "\r\n", " "]),
)
def test_any_mixture_of_lines_can_be_checked(lines: list[str], end: str) -> None:
    assert data(check(end.join(lines)))


def test_a_binary_file_is_rejected_by_name() -> None:
    with pytest.raises(SourceError, match=r"data\.parquet: is not a text file: byte 1"):
        decode(b"P\xff\x00", "data.parquet")
    with pytest.raises(SourceError, match="zero byte"):
        decode(b"PAR1\x00", "data.parquet")
    assert decode(b"\xef\xbb\xbfx", "README.md") == "x"
