"""Clean offsets: a cut there does not change the tokens of either side."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.errors import SourceError
from compiler.probes import tokens
from compiler.probes.annotate import clean_place
from compiler.probes.segment import segment
from compiler.probes.tokens import Tokenizer, TokenizerFile
from tests.conftest import ROOT, SHARED
from tests.strategies import documents

# Letters, marks, joiners, controls and added tokens in any order.
ODD = st.lists(
    st.one_of(
        st.text(st.characters(codec="utf-8"), max_size=8),
        st.text(st.characters(max_codepoint=0x2FF), max_size=12),
        st.sampled_from(["'ll", "'S", "  ", " \n ", "<|endoftext|>", "ſ", "e\u0301", "42", "½"]),
    ),
    max_size=12,
).map("".join)
DEMO = "specs/data/bpe-8k.json.gz"
QWEN = SHARED / "data/tokenizers/qwen3/tokenizer.json.gz"
needs_qwen = pytest.mark.skipif(not QWEN.exists(), reason="the Qwen3 tokenizer is not here")


@cache
def tokenizer(name: str = DEMO) -> Tokenizer:
    found = tokens.find(name, ROOT, online=False)
    assert found is not None
    return tokens.load(found)


@pytest.fixture(scope="module")
def dressed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the demo's tokenizer with the additional parts of a published one, Qwen3's.

    Added tokens, a post-processor, empty affixes, and merges that end inside a code point.
    """
    parts = json.loads(gzip.decompress((ROOT / DEMO).read_bytes()))
    model, level = parts["model"], {"type": "ByteLevel", "add_prefix_space": False}
    parts["post_processor"] = {**level, "trim_offsets": False, "use_regex": False}
    model.update(continuing_subword_prefix="", end_of_word_suffix="")
    # Merge the first two of the four bytes of an astral character, then add the third.
    for left, right in (("ð", "Ĵ"), ("ðĴ", "Ģ")):
        if left + right not in model["vocab"]:
            model["vocab"][left + right] = len(model["vocab"])
            model["merges"].append([left, right])
    for content, special in (("<|endoftext|>", True), ("<think>", False)):
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        number = len(model["vocab"]) + len(parts["added_tokens"])
        added = {"id": number, "content": content, "special": special, **flags}
        parts["added_tokens"].append(added)
    path = tmp_path_factory.mktemp("tokenizer") / "dressed.json"
    path.write_text(json.dumps(parts), encoding="utf-8")
    return str(path)


@pytest.fixture(params=["demo", "dressed", pytest.param("qwen", marks=needs_qwen)])
def name(request: pytest.FixtureRequest) -> str:
    """Return a tokenizer with a fast path: two of our own, and a published one if available."""
    if request.param == "dressed":
        found: str = request.getfixturevalue("dressed")
        return found
    return DEMO if request.param == "demo" else str(QWEN)


def test_the_tokenizers_have_the_pitfalls_of_published_ones(name: str) -> None:
    found = tokenizer(name)

    # A sentence's end and the blank line after it are one token, and so is a digit.
    assert found.encode("day.\n\nThe").clean == [0, 3, 6, 9]
    assert found.encode("12345").clean == [0, 1, 2, 3, 4, 5]
    # A code point of several tokens can be cut at none of their ends.
    assert found.count("𒀀") > 1
    assert found.encode("a𒀀b").clean == [0, 1, 2, 3]


@given(documents())
def test_clean_offsets_are_sorted_and_count_all_tokens(text: str) -> None:
    found = tokenizer().encode(text)

    assert list(found.clean) == sorted(set(found.clean))
    assert found.clean[-1] == len(text)
    assert list(found.before) == sorted(found.before)
    assert found.before[-1] == found.count


@given(documents())
def test_a_split_in_a_gap_leaves_the_tokens_before_it_unchanged(text: str) -> None:
    """Compare with the tokens that the source model saw before the split."""
    check_gaps(tokenizer(), text)


def check_gaps(with_: Tokenizer, text: str) -> int:
    whole = with_.encode(text)
    gaps = segment(text, 0).sentence_gaps()
    places = [place for gap in gaps if (place := clean_place(text, gap, whole)) is not None]
    for place in places:
        before = whole.count_before(place)
        ids = list(with_.ids(text)[:before])
        assert ids == list(with_.ids(text[:place])), (text, place)
    return len(places)


def test_every_sentence_gap_of_real_rollouts_is_clean(name: str) -> None:
    lines = (ROOT / "specs/data/rollouts.jsonl").read_text(encoding="utf-8").splitlines()
    found = 0
    for line in lines[::6]:
        row = json.loads(line)
        found += check_gaps(tokenizer(name), row["prefix"] + row["continuation"])

    assert found > 400


def test_accents_and_emoji_are_not_cut() -> None:
    """Cover the gaps and overlaps of a normalizing tokenizer; neither is a clean offset."""
    text = "e\u0301 👩‍👩‍👧 x\r\ny"
    clean = tokenizer().encode(text).clean

    assert 1 not in clean
    assert not {4, 5, 6, 7} & set(clean)
    assert text.index("\n") not in clean


def test_counting_before_an_offset_that_is_not_clean_is_an_error() -> None:
    found = tokenizer().encode("hello world")
    with pytest.raises(ValueError, match="not a clean offset"):
        found.count_before(1)
    assert found.is_clean(5)
    assert not found.is_clean(99)


def test_an_invalid_tokenizer_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json.gz"
    broken.write_bytes(gzip.compress(b"{}"))
    with pytest.raises(SourceError, match=r"not a tokenizer\.json"):
        tokens.load(TokenizerFile.read("broken", broken))
    with pytest.raises(SourceError, match="no such tokenizer"):
        tokens.find("nowhere/tokenizer.json", tmp_path, online=False)
    assert tokens.find("owner/unknown-model", tmp_path, online=False) is None


def test_the_fast_path_agrees_with_the_tokenizer(name: str) -> None:
    """Mix text that the fast path takes with text that is left to the tokenizer."""
    quick, slow = tokenizer(name), tokenizer(name).slowly()
    taken = []

    @given(st.one_of(documents(), ODD))
    def check(text: str) -> None:
        one, other = quick.encode(text), slow.encode(text)
        assert (one.clean, one.before, one.count) == (other.clean, other.before, other.count)
        assert list(quick.ids(text)) == list(slow.ids(text))
        offsets = range(len(text) + 2)
        assert [one.is_clean(at) for at in offsets] == [other.is_clean(at) for at in offsets]
        taken.append(quick.takes(text))

    check()
    assert any(taken)
    assert not all(taken)


def test_text_with_context_dependent_tokens_is_left_to_the_tokenizer() -> None:
    found = tokenizer()

    assert found.takes("Prose, “quoted” — naïve, 第二, 42 ½.\n\nMore.")
    for text in ("e\u0301", "a\u200db", "x\r\ny", "\x00", "👍", "\u212b", "ſ"):
        assert not found.takes(text), text
