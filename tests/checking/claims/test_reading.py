"""Claims are found by their labels in any layout; what is no card gives no claims and no error."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.checking.claims.checked import check, data
from compiler.checking.claims.claim import Claim, Claims
from compiler.checking.claims.number import parse
from compiler.checking.claims.page import decode
from compiler.checking.claims.reading import read
from compiler.errors import SourceError
from tests.checking.claims.cards import CONSISTENT, FIGURES, PUBLISHED


def value(claims: Claims, name: str, **about: str) -> object:
    claim = claims.one(name, **about)
    return None if claim is None else claim.value


@pytest.mark.parametrize(
    ("written", "number", "slack"),
    [
        ("590,741", 590741, "0"),
        ("590\u202f741", 590741, "0"),
        ("6150303735", 6150303735, "0"),
        ("~1227.3M", 1227300000, "50000"),
        ("~4720.0K", 4720000, "50"),
        ("100K", 100000, "500"),
        ("1.5B", 1500000000, "50000000"),
        ("~$1003", 1003, "0.5"),
        ("$0.50", "0.50", "0.005"),
        ("41.8%", "41.8", "0.05"),
        ("≈51%", 51, "0.5"),
        ("0.461", "0.461", "0.0005"),
        ("five", 5, "0"),
    ],
)
def test_numbers_are_read_with_what_their_rounding_hides(
    written: str, number: int | str, slack: str
) -> None:
    found = parse(written)

    assert found.value == Decimal(number)
    assert found.slack == Decimal(slack)


@pytest.mark.parametrize("lost", [True, False], ids=["indentation lost", "indented"])
def test_the_features_of_a_header_are_read_without_the_fields_of_a_struct(lost: bool) -> None:
    card = "\n".join(line.lstrip() for line in FIGURES.split("\n")) if lost else FIGURES
    claims = read(card)
    types = {name: claim.value for name, claim in claims.by("declared_type", "column").items()}

    assert len(types) == 35
    assert types["row_splits"] == "struct"
    assert types["bb_answer_rollout_answers"] == "list<string>"
    assert types["bb_answer_rollout_scores"] == "list<float64>"
    assert types["slot_idx"] == "float64"
    assert "word_lens" not in types
    assert value(claims, "examples", split="train") == 590741
    assert value(claims, "bytes", split="train") == 6150303735
    assert value(claims, "download_size") == 979308451


def test_a_struct_like_none_here_keeps_its_fields_out_where_indentation_is_kept() -> None:
    header = "---\nfeatures:\n- name: a\n  struct:\n  - name: x\n    dtype: int8\n- name: b\n"
    claims = read(header + "  sequence: string\n---\n")

    assert {n: c.value for n, c in claims.by("declared_type", "column").items()} == {
        "a": "struct",
        "b": "list<string>",
    }


def test_what_the_published_card_says_is_read_from_its_own_layout() -> None:
    """The same figures from the sentences of the original as from ours."""
    if not PUBLISHED.exists():
        pytest.skip("the published card is not beside this checkout")
    theirs, ours = read(PUBLISHED.read_text(encoding="utf-8")), read(FIGURES)

    def figures(claims: Claims) -> set[tuple[str, object, object]]:
        return {(c.name, c.of, c.value) for c in claims if c.is_number}

    assert figures(ours) == figures(theirs)


def test_every_claim_stands_where_it_says() -> None:
    for card in (CONSISTENT, FIGURES):
        lines = card.split("\n")
        for claim in read(card):
            assert claim.text == lines[claim.line - 1]
            if claim.is_number:
                at = claim.column - 1
                assert claim.text[at : at + len(claim.written)] == claim.written


def test_windows_line_ends_and_a_byte_order_mark_change_nothing() -> None:
    windows = "\ufeff" + CONSISTENT.replace("\n", "\r\n")

    assert read(windows).found == read(CONSISTENT).found


def test_columns_are_found_by_their_header_wherever_they_stand() -> None:
    claims = read(
        "| Rejected | **Built** | `scope` | Planned |\n|--:|:--|---|---|\n"
        "| 3 | 1,007 | *word* | 1,010 |\n| 0 | 5 | lens | 5 |"
    )

    assert value(claims, "built", scope="word") == 1007
    assert value(claims, "planned", scope="word") == 1010
    assert value(claims, "rejected", scope="word") == 3
    assert check("| scope | built |\n|---|---|\n| word | 7 |").contradictions == ()


def test_a_table_with_missing_cells_gives_what_it_has_and_adds_up_to_nothing() -> None:
    card = (
        "Total probes: 99\n\n| scope | round | built |\n|---|---|---|\n| word | 0 | 5 |\n| word |\n"
        "| lens | 0 | - |\n\n| scope | built |\n|---|---|\n| word | 7 |\n"
    )
    checked = check(card)

    assert value(checked.claims, "built", scope="word", round="0") == 5
    assert "C32" not in checked.applied
    assert checked.errors == 0


def test_rows_that_something_unknown_tells_apart_are_not_added_up() -> None:
    card = (
        "| scope | scored |\n|---|---|\n| word | 7 |\n\n"
        "| scope | arm | scored |\n|---|---|---|\n| word | a | 7 |\n| word | b | 7 |\n"
    )

    assert check(card).contradictions == ()


def test_a_table_of_controls_is_about_something_else() -> None:
    rows = "| scope | scored |\n|---|---|\n| word | {} |\n"
    card = "## Scores\n\n" + rows.format(70) + "\n## Judge anchors\n\n" + rows.format(8)

    assert [c.value for c in read(card).named("scored")] == [70]


def test_labels_with_intervals_and_dashes_are_read_by_their_leading_number() -> None:
    card = (
        "| scope | target | scored | mean of max | HARD |\n|---|---|---|---|---|\n"
        "| word | prefix | 1,200 | 0.162 [0.14, 0.18] | 41.8% (502) |\n"
        "| word | suffix | 0 | - | - |\n"
    )
    claims = read(card)

    assert value(claims, "mean", scope="word", target="prefix") == Decimal("0.162")
    assert value(claims, "hard", scope="word", target="prefix") == Decimal("41.8")
    assert value(claims, "mean", scope="word", target="suffix") is None


def test_half_of_a_number_is_no_number() -> None:
    assert read("Total probes: 12,34\nprobes scored: 1.2.3\nprobes scored: x9").found == ()


HOSTILE = {
    "empty": "",
    "line ends only": "\r\r\n\n",
    "no front matter": "# A card\n\nNothing to see.",
    "unclosed front matter": "---\ndataset_info:\n  features:\n  - name: a\n",
    "front matter of rubbish": "---\n:::\n- - -\n---\n",
    "features without names": "---\nfeatures:\nsplits:\n---\n",
    "zero everywhere": (
        "probes scored: 0\nmean 0.0, std 0.0, HARD (max<0.4) 0% EASY (max≥0.8) 0%\n"
        "[0.0, 0.2) 0 (0%)\n[0.2, 1.0] 0 (0%)\nanswerer calls: 0 × 0 = 0\n"
        "0 judge chunks ≤ 0 requests\nestimated tokens: 0 input + 0 output (answerer)\n"
    ),
    "bins of rubbish": "[..., 9.9.9) 3 (1%)\n[.2, .4) 5 (2%)\nprobes scored: 8",
    "overlong numbers": "Total probes: " + "9" * 4000 + "\n| scope | built |\n|---|---|\n| a | "
    + "9" * 4000 + " |",
    "pipes": "|" * 3000 + "\n" + "|-" * 3000 + "\n" + "|1" * 3000,
    "negative": "probes scored: -5\n[0.0, 1.0] -5 (-100%)\nmean -0.5 std -0.1",
    "blanks": "total" + " " * 200_000 + "(" + "\n" * 100_000,
    "letters": "a" * 300_000,
    "digits and signs": "1 + " * 30_000 + "(1 + 2 + " * 2_000,
    "binary": bytes(range(256)).decode("latin-1") * 20,
    "size categories": "---\nsize_categories:\n- n<\n- K<n<M\n- n>1T\n---\nTotal probes: 5",
}  # fmt: skip


@pytest.mark.parametrize("card", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_card_is_no_traceback(card: str) -> None:
    checked = check(card)

    assert set(checked.applied) | set(checked.not_applied) > {"C01"}
    assert data(checked)


def test_a_file_that_is_no_text_is_refused_with_its_name() -> None:
    with pytest.raises(SourceError, match=r"data\.parquet: is no text: byte 1"):
        decode(b"P\xff\x00", "data.parquet")
    with pytest.raises(SourceError, match="zero byte"):
        decode(b"PAR1\x00", "data.parquet")
    assert decode(b"\xef\xbb\xbfx", "README.md") == "x"


FRAGMENTS = [line for card in (CONSISTENT, FIGURES) for line in card.split("\n") if line.strip()]


@given(
    st.lists(
        st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=30), st.sampled_from(["---", ""])),
        max_size=25,
    ),
    st.sampled_from(["\n", "\r\n", " "]),
)
def test_any_mixture_of_lines_is_read(lines: list[str], end: str) -> None:
    checked = check(end.join(lines))

    for claim in checked.claims:
        assert isinstance(claim, Claim)
    assert data(checked)
