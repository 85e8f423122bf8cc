"""Statistics of an evaluation, compared with known skill, brute force and stated invariants."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest
from msgspec import structs

from compiler.evaluation import cells
from compiler.evaluation.results import CellResult, Line, Results, Settings
from compiler.statistics.measures.clusters import RESAMPLES, Clusters, clustered_error
from compiler.statistics.measures.draws import Draws
from compiler.statistics.measures.intervals import Interval
from compiler.statistics.measures.multiplicity import holm, rank, two_sided
from compiler.statistics.measures.selection import crossfit
from tests.evaluation.synthetic import SETTINGS, Dataset, Score, gathered, row

SEEDS = 200


def compute(rows: Iterable[Score], settings: Settings) -> Results:
    return cells.compute(gathered(rows), settings)


def cell(found: Results, band: str = "all", **wanted: object) -> CellResult:
    wanted = {"metric": "judge", "typicality": "", "clean": False, **wanted, "band": band}
    (only,) = [
        each
        for each in found.cells
        if all(getattr(each, name) == value for name, value in wanted.items())
    ]
    return only


def line(found: Results, method: str, band: str = "all", **wanted: object) -> Line:
    return next(each for each in cell(found, band, **wanted).lines if each.method == method)


def covers(found: Interval | None) -> bool:
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    return found.low <= 0 <= found.high


@dataclass
class Covered:
    """How often an interval of each quantity covers 0."""

    gain: int = 0
    over_blind: int = 0
    gap_closed: int = 0
    naive: int = 0


@pytest.mark.long
def test_a_null_method_gains_nothing_although_the_selecting_rollouts_say_so() -> None:
    """Fresh draws of the blind reader, which HARD was selected by, are the method and control."""
    hard = structs.replace(SETTINGS, bands=("hard",))
    found = Covered()
    for seed in range(SEEDS):
        data = Dataset(seed)
        scores, shuffled = data.drawn(1)[:, 0], data.drawn(1)[:, 0]
        rows = [
            *data.readers(),
            *data.method("null", scores),
            *data.method("null", shuffled, "shuffled"),
        ]
        null = line(compute(rows, hard), "null", "hard")
        found.gain += covers(null.gain)
        found.over_blind += covers(null.over_blind)
        found.gap_closed += covers(null.gap_closed)
        # The naive difference: the blind mean of the same rollouts that selected the probes.
        chosen = np.array(data.bands) == "hard"
        naive = (scores - data.blind.mean(axis=1))[chosen]
        error = clustered_error(
            naive, Clusters.of(np.repeat(np.arange(len(chosen) // 2), 2)[chosen])
        )
        assert error.mean is not None
        assert error.error is not None
        found.naive += abs(error.mean) <= 1.96 * error.error

    # Binomial bounds of 95% over 200 seeds, with room for intervals of percentiles, which are
    # slightly too short for some 50 documents.
    assert 0.90 <= found.gain / SEEDS <= 0.99, found
    assert 0.90 <= found.over_blind / SEEDS <= 0.99, found
    assert 0.90 <= found.gap_closed / SEEDS <= 0.99, found
    assert found.naive / SEEDS < 0.3, found


def test_a_perfect_method_and_a_blind_one_close_the_gap_and_nothing_of_it() -> None:
    data = Dataset(1)
    means = data.blind.mean(axis=1)
    rows = [
        *data.readers(),
        *data.method("perfect", np.ones(len(means))),
        *data.method("same", means),
        *data.method("same", np.zeros(len(means)), "shuffled"),
    ]
    found = compute(rows, SETTINGS)
    perfect, same = line(found, "perfect"), line(found, "same")

    assert perfect.score.value == 1
    assert perfect.gap_closed is not None
    assert (perfect.gap_closed.value, perfect.gap_closed.low) == (1, 1)
    assert same.gap_closed is not None
    assert (same.gap_closed.value, same.over_blind and same.over_blind.value) == (0, 0)
    # Without a control there is neither a gain nor a rank, in any cell.
    assert all(
        each.gain is None and each.rank is None
        for one in found.cells
        for each in one.lines
        if each.method == "perfect"
    )
    assert any("perfect has no control" in note for note in found.notes)


def test_no_gap_is_closed_without_room_another_judge_or_full_information() -> None:
    data = Dataset(2)
    ceiling = [
        structs.replace(each, score=float(min(1.0, data.blind.mean(axis=1)[place] + 0.05)))
        for place, each in enumerate(each for each in data.readers() if each.kind == "full")
    ]
    blind = [each for each in data.readers() if each.kind == "blind"]
    method = [*data.method("m", data.drawn(1)[:, 0])]

    def why(rows: list[Score], *, same_judge: bool = True) -> str:
        settings = structs.replace(SETTINGS, same_judge=same_judge)
        found = line(compute(rows, settings), "m")
        assert found.gap_closed is None
        return found.gap

    assert why([*blind, *ceiling, *method]).startswith("no room (full - blind = 0.0")
    assert why([*blind, *method]) == "no full information"
    assert why([*data.readers(), *method], same_judge=False) == "another judge"
    assert why(method) == "no blind scores"


def test_a_cell_of_few_documents_has_no_interval_no_rank_and_a_reason() -> None:
    data = Dataset(3, documents=29)
    other = data.drawn(1)[:, 0]
    rows = [
        *data.readers(),
        *(each for name in ("a", "b") for each in data.method(name, data.drawn(1)[:, 0])),
        *(each for name in ("a", "b") for each in data.method(name, other, "text")),
    ]
    found = compute(rows, SETTINGS)

    for each in cell(found).lines:
        assert each.gain is not None
        assert each.gain.value is not None
        assert (each.score.low, each.gain.low, each.rank) == (None, None, None)
        assert each.gap == "too few documents (29)"
    assert all(pair.p is None and pair.difference.low is None for pair in cell(found).pairs)
    assert any("fewer than 30 documents" in note and "all (29)" in note for note in found.notes)


def test_intervals_equal_those_of_a_plain_loop_with_the_same_draws() -> None:
    data = Dataset(4, documents=40)
    own, other = data.drawn(1)[:, 0], data.drawn(1)[:, 0]
    rows = [*data.readers(), *data.method("m", own), *data.method("m", other, "shuffled")]
    gain = line(compute(rows, SETTINGS), "m").gain
    closed = line(compute(rows, SETTINGS), "m").gap_closed
    draws = Draws(cells._SEED)
    # Documents are numbered by their sorted names, two probes each.
    of = np.arange(len(own)) // 2
    blind = data.blind.mean(axis=1)
    gains = []
    gaps = []
    for _ in range(RESAMPLES):
        drawn = np.concatenate([np.flatnonzero(of == d) for d in draws.below(40, 40)])
        gains.append((own - other)[drawn].mean())
        gaps.append((own - blind)[drawn].sum() / (1 - blind)[drawn].sum())

    assert gain is not None
    assert closed is not None
    for interval, values in ((gain, gains), (closed, gaps)):
        ordered = sorted(values)
        assert interval.low == pytest.approx(ordered[24], abs=1e-6)
        assert interval.high == pytest.approx(ordered[974], abs=1e-6)


def test_the_clustered_error_is_the_double_sum_over_pairs_of_a_document() -> None:
    numbers = np.random.Generator(np.random.PCG64(5))
    documents, values = numbers.integers(0, 12, 50), numbers.random(50).round(6)
    centred = values - values.mean()
    total = sum(
        centred[i] * centred[j]
        for i in range(50)
        for j in range(50)
        if documents[i] == documents[j]
    )
    found = clustered_error(values, Clusters.of(documents))

    assert found.error == pytest.approx(total**0.5 / 50, abs=1e-6)


def test_the_clustered_error_is_that_of_inspect_with_its_finite_correction() -> None:
    """The expected value is what `stderr(cluster="doc_id")` of inspect_ai 0.3.285 returns."""
    values = [1, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1]
    found = clustered_error(values, Clusters.of([*"aaabbccccdee"]))

    assert found.error is not None
    assert found.error * (5 / 4) ** 0.5 == pytest.approx(0.06588078458684124, abs=1e-6)


def test_cross_fitting_selects_a_rollout_by_the_others() -> None:
    scores = np.array([[0.0, 0.0, 1.0], [0.0, 0.2, 0.3], [0.9, 1.0, np.nan], [0.1, np.nan, np.nan]])
    weight, total = crossfit(scores, -np.inf, 0.4)
    easy, of_easy = crossfit(scores, 0.8, np.inf)

    # Of the first row only the last rollout counts: the maximum of the others is 0.
    assert weight.tolist() == pytest.approx([1 / 3, 1, 0, 0])
    assert total.tolist() == pytest.approx([1 / 3, 0.5 / 3, 0, 0])
    assert easy.tolist() == pytest.approx([2 / 3, 0, 1, 0])
    assert of_easy.tolist() == pytest.approx([0, 0, 0.95, 0])


def test_missing_predictions_count_as_zero_between_their_bounds() -> None:
    rows = [row("method", "m", "real", place, 1.0 if place % 2 else None) for place in range(80)]
    rows += [row("method", "m", "shuffled", place, 0.5 if place > 3 else None)
             for place in range(80)]  # fmt: skip
    zero = line(compute(rows, SETTINGS), "m")
    drop = line(compute(rows, structs.replace(SETTINGS, missing="drop")), "m")

    assert (zero.n, zero.missing, zero.score.value, zero.bounds) == (80, 40, 0.5, (0.5, 1.0))
    assert (drop.n, drop.missing, drop.score.value) == (40, 40, 1.0)
    # The four probes whose control has no answer are left out of the gain, not won.
    assert zero.control_missing == 4
    assert zero.gain is not None
    assert (zero.gain.n, zero.gain.value) == (76, 38 / 76 - 0.5)
    assert zero.gain_bounds == pytest.approx((0.5 - (38 + 4) / 80, 1 - 38 / 80))


def test_fresh_answers_replace_the_rollouts_that_selected_a_band() -> None:
    data = Dataset(6)
    fresh, own = data.drawn(1)[:, 0], data.drawn(1)[:, 0]
    rows = [
        *data.readers(),
        *data.method("m", own),
        *data.method("blind", fresh, "text", "fresh"),
    ]
    found = cell(compute(rows, SETTINGS), "hard")
    chosen = np.array(data.bands) == "hard"

    assert found.baseline == "fresh"
    assert [each.method for each in found.lines] == ["m"]
    over = found.lines[0].over_blind
    assert over is not None
    assert over.value == pytest.approx((own - fresh)[chosen].mean(), abs=1e-6)


def test_a_shared_text_control_serves_the_methods_that_have_none() -> None:
    data = Dataset(7)
    rows = [
        *data.method("own", data.drawn(1)[:, 0]),
        *data.method("own", data.drawn(1)[:, 0], "shuffled"),
        *data.method("other", data.drawn(1)[:, 0]),
        *data.method("reader", data.drawn(1)[:, 0], "text"),
    ]
    lines = {each.method: each for each in cell(compute(rows, SETTINGS)).lines}

    assert (lines["own"].control, lines["own"].by) == ("shuffled", "own")
    assert (lines["other"].control, lines["other"].by) == ("text", "reader")
    assert lines["reader"].gain is None
    assert lines["reader"].rank is None
    assert all(lines[name].rank is not None for name in ("own", "other"))
    note = "ranks compare gains over different controls (shuffled, text)"
    assert any(note in each for each in compute(rows, SETTINGS).notes)
    same = [each for each in rows if each.control != "shuffled"]
    assert not any("different controls" in each for each in compute(same, SETTINGS).notes)


def test_a_method_below_its_control_is_one_warning_in_each_main_cell() -> None:
    rows = [
        row("method", "m", control, place, float(control == "text"), metric=metric,
            leaking=place < 20, typicality="typical")
        for place in range(120)
        for control in ("real", "text")
        for metric in ("judge", "token_f1")
    ]  # fmt: skip
    varied = [
        structs.replace(each, score=0.5) if each.control == "text" and each.doc_id < "d0010"
        else each
        for each in rows
    ]  # fmt: skip

    assert compute(varied, SETTINGS).warnings == (
        "m is below its text control in sentence, suffix, all (judge, -0.917)",
    )


def test_renaming_methods_and_permuting_rows_changes_nothing_else() -> None:
    data = Dataset(8)
    rows = [
        *data.readers(),
        *(each for name in ("a", "b") for each in data.method(name, data.drawn(1)[:, 0])),
        *(each for name in ("a", "b") for each in data.method(name, data.drawn(1)[:, 0], "text")),
    ]
    renamed = [
        structs.replace(each, method={"a": "x", "b": "y"}.get(each.method, each.method))
        for each in rows
    ]
    text = msgspec.json.encode(compute(rows, SETTINGS)).decode()
    other = msgspec.json.encode(compute([*reversed(rows)], SETTINGS))
    same = compute(renamed, SETTINGS)

    assert msgspec.json.encode(same).decode() == (
        text.replace('"a"', '"x"').replace('"b"', '"y"')
        .replace("a is below", "x is below").replace("b is below", "y is below")
    )  # fmt: skip
    back = msgspec.json.decode(other, type=Results)
    for one, again in zip(compute(rows, SETTINGS).cells, back.cells, strict=True):
        assert sorted(each.method for each in one.lines) == sorted(l.method for l in again.lines)  # noqa: E741
        ordered = {each.method: each for each in again.lines}
        assert all(each == ordered[each.method] for each in one.lines)


def test_probes_that_leak_or_repeat_are_left_out_of_the_sensitivity() -> None:
    rows = [
        row("method", "m", "real", place, float(place < 40), leaking=place < 20,
            repeated=20 <= place < 40)
        for place in range(120)
    ]  # fmt: skip
    found = compute(rows, SETTINGS)

    assert line(found, "m").score.value == pytest.approx(1 / 3, abs=1e-6)
    assert line(found, "m", clean=True).score.value == 0
    assert line(found, "m", clean=True).n == 80


def test_a_method_below_the_blind_reader_on_easy_probes_is_suspect() -> None:
    data = Dataset(9)
    rows = [*data.readers(), *data.method("m", np.zeros(len(data.rates)))]

    assert any("sanity failed: m" in each for each in compute(rows, SETTINGS).warnings)


def test_comparisons_are_adjusted_for_their_number() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == [0.03, 0.06, 0.06, 0.02]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert two_sided(np.array([1.0] * 999)) == 0.002
    assert two_sided(np.array([-1.0, 1.0] * 500)) == 1.0
    assert two_sided(np.array([])) is None
    values = [np.array([0.1, 0.5]), np.array([0.3, 0.5]), np.array([0.2, 0.9])]
    assert [rank(place, values).tolist() for place in range(3)] == [[3, 2], [1, 2], [2, 1]]
