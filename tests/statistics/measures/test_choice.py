from __future__ import annotations

import numpy as np
import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st

from compiler.statistics.measures.auc import clustered_auc
from compiler.statistics.measures.choice import Choice, choice
from compiler.statistics.measures.units import Floats

# One worker imports the reference libraries.
pytestmark = pytest.mark.xdist_group("references")

WORDS = (
    "harbour council granite pillar wagon river quarrel summer letter engine market signal "
    "garden winter captain silver bridge meadow lantern copper village orchard thunder basket"
).split()


def sentences(seed: int, count: int, length: int = 8) -> list[str]:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        words = " ".join(rng.choice(WORDS, length + rng.integers(0, 4)))
        found.append(f"The {words} in {rng.integers(1900, 1999)}.")
    return found


def documents(count: int) -> list[str]:
    return [f"d{n // 2:05}" for n in range(count)]


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=40),
    st.lists(st.integers(0, 9), min_size=1, max_size=40),
)
def test_the_area_equals_mann_and_whitneys_statistic(
    positive: list[int], negative: list[int]
) -> None:
    found = clustered_auc(positive, negative, np.arange(len(positive)), np.arange(len(negative)))
    u = scipy.stats.mannwhitneyu(positive, negative).statistic

    assert found.value == pytest.approx(u / len(positive) / len(negative), abs=1e-6)
    assert found.n == len(positive) + len(negative)


def test_the_error_of_independent_scores_equals_delongs() -> None:
    """Apply the definition: variances of the placement values (DeLong et al. 1988)."""
    rng = np.random.default_rng(1)
    positive, negative = rng.normal(0.5, 1, 300), rng.normal(0, 1, 400)
    wins = (positive[:, None] > negative).astype(float)
    error = (wins.mean(axis=1).var(ddof=1) / 300 + wins.mean(axis=0).var(ddof=1) / 400) ** 0.5
    found = clustered_auc(positive, negative, np.arange(300), 300 + np.arange(400))
    assert found.low is not None
    assert found.high is not None

    assert (found.high - found.low) / 2 / 1.959964 == pytest.approx(error, rel=0.01)
    assert found.documents == 700


def test_the_interval_covers_the_truth_for_correlated_documents() -> None:
    truth = scipy.stats.norm.cdf(0.5 / np.sqrt(2))
    covered = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        shared = np.repeat(rng.normal(0, 0.6, 60), 4)
        others = np.repeat(rng.normal(0, 0.6, 60), 4)
        codes = np.repeat(np.arange(60), 4)
        found = clustered_auc(
            0.5 + shared + rng.normal(0, 0.8, 240), others + rng.normal(0, 0.8, 240), codes, codes
        )
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= truth <= found.high

    assert 180 <= covered <= 198


def test_an_area_needs_both_sides() -> None:
    none, some = np.empty(0, dtype=int), np.arange(3)

    assert clustered_auc([], [], none, none).value is None
    assert clustered_auc([1, 2, 3], [], some, none).value is None
    assert clustered_auc([1, 2, 3], [0, 0, 0], some, some).value == 1.0
    assert clustered_auc([1, 2, 3], [0, 0, 0], some, some).low is None


def bounds(found: Choice) -> tuple[float, float, float, float]:
    assert found.auc.low is not None
    assert found.auc.high is not None
    assert found.won.low is not None
    assert found.won.high is not None
    return found.auc.low, found.auc.high, found.won.low, found.won.high


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_exchangeable_pairs_cannot_be_distinguished(seed: int) -> None:
    texts = sentences(seed, 2000)
    found = choice(texts[:1000], texts[1000:], documents(1000))
    low, high, won_low, won_high = bounds(found)

    assert (found.pairs, found.documents) == (1000, 500)
    assert low - 0.01 < 0.5 < high + 0.01
    assert won_low - 0.01 < 0.5 < won_high + 0.01
    assert high - low < 0.08


def planted() -> dict[str, list[str]]:
    plain = sentences(5, 1000)
    rng = np.random.default_rng(5)
    some = rng.random(1000) < 0.4
    return {
        "a word": [text.replace("The", "Perhaps the") for text in plain],
        "a word in 40%": [
            text.replace(" in ", " near ") if one else text
            for text, one in zip(plain, some, strict=True)
        ],
        "longer": sentences(6, 1000, 14),
        "no digits": [text[:-6] + " then." for text in plain],
        "capitals": [text.title() for text in plain],
        "no full stop": [text.rstrip(".") for text in plain],
    }


@pytest.mark.parametrize(
    ("name", "least"),
    [("a word", 0.99), ("a word in 40%", 0.65), ("longer", 0.95), ("no digits", 0.99),
     ("capitals", 0.99), ("no full stop", 0.99)],
)  # fmt: skip
def test_planted_artifacts_are_found(name: str, least: float) -> None:
    found = choice(sentences(7, 1000), planted()[name], documents(1000))

    assert (found.auc.value or 0) > least
    assert bounds(found)[0] > 0.6


def test_a_rare_artifact_is_found_at_its_rate() -> None:
    """40% of alternatives are recognizable, and half of the others are guessed: .7."""
    found = choice(sentences(7, 1000), planted()["a word in 40%"], documents(1000))

    assert found.won.value == pytest.approx(0.7, abs=0.05)


def test_the_order_of_pairs_does_not_matter_to_the_last_bit() -> None:
    truths, others, names = sentences(8, 400), sentences(9, 400), documents(400)
    order = np.random.default_rng(1).permutation(400)
    again = choice(
        [truths[i] for i in order], [others[i] for i in order], [names[i] for i in order]
    )

    assert choice(truths, others, names) == again


def test_a_document_is_not_scored_by_a_model_trained_on_it() -> None:
    """Let truths of a document share a rare word, which is no evidence about other documents."""
    rng = np.random.default_rng(2)
    names = [f"d{n // 20:03}" for n in range(1000)]
    marks = ["".join(rng.choice(list("bcdfghjklm"), 6)) for _ in range(50)]
    truths = [f"{text} {marks[n // 20]}" for n, text in enumerate(sentences(1, 1000))]
    others = [f"{text} {marks[(n // 20 + 25) % 50]}" for n, text in enumerate(sentences(2, 1000))]
    found = choice(truths, others, names)

    assert (found.auc.value or 1) < 0.6


def test_too_few_pairs_or_documents_have_no_value_or_interval() -> None:
    few = choice(sentences(1, 49), sentences(2, 49), documents(49))
    one = choice(sentences(1, 60), sentences(2, 60), ["d"] * 60)

    assert (few.auc.value, few.won.value, few.pairs) == (None, None, 49)
    assert (one.auc.value, one.documents) == (None, 1)
    fewer = choice(sentences(1, 50), sentences(2, 50), [f"d{n % 10}" for n in range(50)])
    assert fewer.auc.value is not None
    assert (fewer.auc.low, fewer.won.low) == (None, None)


def test_any_text_is_accepted() -> None:
    odd = ["a", "\ud800", "İ" * 400, "\x03\x02", "0" * 301, "文", "😀 x"] * 10
    found = choice(odd, odd[::-1], [f"d{n}" for n in range(70)])

    assert found.pairs == 70
    assert found.auc.value is not None


def scores(found: Choice) -> Floats:
    return np.asarray([found.auc.value, found.won.value], dtype=np.float64)


def test_equal_texts_are_ties() -> None:
    texts = sentences(3, 200)

    assert scores(choice(texts, texts, documents(200))).tolist() == [0.5, 0.5]
