"""Measures of single answers: tokens of windows, and contrastive wins."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.evaluation import contrast, windows
from compiler.evaluation.contrast import Sums
from compiler.evaluation.given import Prediction
from compiler.evaluation.items import Item
from compiler.probes import tokens
from tests.conftest import ROOT

TOKENS = st.lists(st.integers(0, 4), max_size=80)


def item(key: str = "a", atom: str = "yes", alternative: str = "perhaps", **values: str) -> Item:
    known = {"scope": "word", "band": "", "question": "Which?", "context": "It is ", **values}
    return Item(
        0, key, "d", "", "It is yes.", known["scope"], "suffix", "", known["band"],
        known["question"], known["context"], 6, atom, atom, alternative, atom, "", False, False,
        (), (), (),
    )  # fmt: skip


def table_distance(first: Sequence[int], second: Sequence[int]) -> int:
    """Compute the edit distance from the full table."""
    row: list[int] = [*range(len(second) + 1)]
    for i, a in enumerate(first, 1):
        above, row[0] = row[0], i
        for j, b in enumerate(second, 1):
            above, row[j] = row[j], min(above + (a != b), row[j] + 1, row[j - 1] + 1)
    return row[-1]


@given(TOKENS, TOKENS)
def test_the_edit_distance_is_that_of_the_table(first: list[int], second: list[int]) -> None:
    assert windows.distance(first, second) == table_distance(first, second)


@given(st.text("ab ", max_size=12), st.text("ab ", min_size=1, max_size=12))
def test_the_shared_beginning_is_the_common_prefix_of_the_tokens(answer: str, truth: str) -> None:
    file = tokens.find("specs/data/bpe-8k.json.gz", ROOT, online=False)
    assert file is not None
    tokenizer = tokens.load(file)
    wanted = tokenizer.ids(truth)
    forms = [list(tokenizer.ids(text)) for text in (answer, f" {answer}")]
    common = max(len(os.path.commonprefix([form, list(wanted)])) for form in forms)  # noqa: RUF071
    found = windows.shares(answer, truth, tokenizer)

    assert found["prefix"] == pytest.approx(common / len(wanted))
    assert all(0 <= value <= 1 for value in found.values())
    assert found["exact"] == (list(wanted) in forms)
    assert found["accuracy"] >= found["prefix"]


def test_a_long_answer_is_cut_before_its_distance_is_taken() -> None:
    file = tokens.find("specs/data/bpe-8k.json.gz", ROOT, online=False)
    assert file is not None
    found = windows.shares("the sea " * 50, "the sea", tokens.load(file))

    assert found["prefix"] == found["accuracy"] == 1
    assert found["edit"] == 0.5
    assert found["exact"] == 0


def prediction(probe: Item, truth: list[float], other: list[float]) -> Prediction:
    pair = (truth, other) if probe.first else (other, truth)
    return Prediction(probe.key, choice_logprobs=pair)


def wins(
    probe: Item, own: Sequence[Prediction], shuffled: Sequence[Prediction]
) -> dict[str, float]:
    """Compute the wins of one probe, without those that are undefined."""

    def sums(given_: Sequence[Prediction]) -> Sums:
        rows = [each.sums for each in given_ if each.choice_logprobs is not None]
        return Sums(np.zeros(len(rows), dtype=np.int64), np.array(rows).reshape(-1, 4).T)

    sizes = np.array([[len(probe.truth.encode()), len(probe.alternative.encode())]])
    other = sums(shuffled) if shuffled else None
    found = contrast.wins(sums(own), other, np.array([probe.first]), sizes)
    return {name: float(value) for name, (value,) in found.items() if not np.isnan(value)}


def keys() -> dict[bool, str]:
    """Return an id for either place of the truth among the choices."""
    return {item(f"{n}").first: f"{n}" for n in range(9)}


@pytest.mark.parametrize("first", [True, False])
def test_normalisations_follow_from_an_enumerated_vocabulary(first: bool) -> None:
    """Three tokens with known probabilities; the truth has one of them, the alternative two."""
    probe = item(keys()[first], "yes", "no no")
    p = {"yes": 0.2, "no": 0.5, ".": 0.3}
    given_ = prediction(probe, [math.log(p["yes"])], [math.log(p["no"])] * 2)
    prior = prediction(probe, [math.log(0.1)], [math.log(0.3), math.log(0.2)])
    found = wins(probe, [given_], [prior])

    # 0.2 against 0.25; per token log 0.2 against log 0.5; per byte /3 against /5.
    assert found["win_sum"] == float(p["yes"] > p["no"] ** 2)
    assert found["win_token"] == 0
    assert found["win_byte"] == float(math.log(0.2) / 3 > 2 * math.log(0.5) / 5)
    # The text alone made the alternative 0.6 as likely as the truth; with the state it is 1.25.
    assert found["win_pmi"] == float(0.2 / 0.25 > 0.1 / 0.06)
    assert probe.choices == (("yes", "no no") if first else ("no no", "yes"))


def test_shifts_and_lengths_leave_their_normalisation_unchanged() -> None:
    probe = item(keys()[True])
    base = prediction(probe, [-1.0, -1.0], [-3.0])
    shifted = prediction(probe, [-1.5, -1.5], [-4.0])
    doubled = prediction(probe, [-1.0, -1.0], [-3.0, -3.0])
    tie = prediction(probe, [-1.0], [-1.0])

    assert wins(probe, [base], [])["win_sum"] == wins(probe, [shifted], [])["win_sum"] == 1
    assert wins(probe, [base], [])["win_token"] == wins(probe, [doubled], [])["win_token"] == 1
    assert wins(probe, [tie], [])["win_sum"] == 0.5
    assert wins(probe, [base, tie], [])["win_sum"] == 0.75
    assert "win_pmi" not in wins(probe, [base], [])
    assert wins(probe, [Prediction(probe.key, answer="yes")], []) == {}
