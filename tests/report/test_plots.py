"""Plots: one mark per number, on the right scale, with every text escaped."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.report.numbers import short, short_percent
from compiler.report.plots import canvas
from compiler.report.plots.curve import curve
from compiler.report.plots.dots import Dot, Mark, dots
from compiler.report.plots.histogram import Bars, histogram, histograms
from compiler.report.plots.shares import Share, shares
from compiler.report.plots.stack import Part, Stack, stack
from compiler.report.plots.steps import Step, steps
from compiler.report.plots.sweep import Measures, Series, sweep
from compiler.statistics.measures.intervals import Interval

EVIL = "</svg><script>alert(1)</script> & \"'<b>"


def interval(value: float | None, low: float | None = None, high: float | None = None) -> Interval:
    return Interval(value, low, high, 40, 35)


def marked(svg: str, kind: str) -> list[ET.Element]:
    """Return the elements of a class; parsing fails if a text is not escaped."""
    return [each for each in parsed(svg) if kind in each.get("class", "").split()]


def parsed(svg: str) -> Iterator[ET.Element]:
    return ET.fromstring(svg.replace(' xmlns="http://www.w3.org/2000/svg"', "")).iter()


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in parsed(svg) if each.tag == "text"]


def test_a_histogram_has_one_bar_per_bin_with_its_share_as_height() -> None:
    svg = histogram((10, 30, 0, 20, 40), (0, 0.2, 0.4, 0.6, 0.8, 1.0), 0.4, 0.8, 0.5, "prefix")
    bars = marked(svg, "bar")
    heights = [float(bar.get("height", "")) for bar in bars]

    assert len(bars) == 5
    assert heights[1] == pytest.approx(3 * heights[0], abs=0.02)
    assert heights[4] == pytest.approx(4 * heights[0], abs=0.02)
    assert heights[2] == 0
    # The HARD band is two bins wide and the EASY band one; each ends at an end of the axis.
    (hard,), (easy,) = marked(svg, "hard"), marked(svg, "easy")
    assert float(hard.get("width", "")) == pytest.approx(2 * float(easy.get("width", "")), abs=0.05)
    assert {"10", "30", "0", "20", "40", "0%", "50%", "0.2"} <= set(texts(svg))
    assert "maximum blind score of a probe" in texts(svg)


def test_histograms_have_a_row_for_each_scope_with_its_targets_side_by_side() -> None:
    rows = {
        "sentence": [Bars("prefix", (10, 30, 0, 20, 40)), Bars("suffix", (1, 0, 0, 0, 0))],
        "whole": [Bars("suffix", (0, 0, 5, 0, 0))],
    }
    svg = histograms(rows, (0, 0.2, 0.4, 0.6, 0.8, 1.0), 0.4, 0.8)
    prefix, *bars = marked(svg, "prefix")[1:]
    beside, *_ = marked(svg, "suffix")[1:]

    # The first mark of each target is that of the legend.
    assert len(bars) == 4
    assert len(marked(svg, "hard")) == len(marked(svg, "easy")) == 2
    assert float(beside.get("x", "")) == pytest.approx(
        float(prefix.get("x", "")) + float(prefix.get("width", "")) + 1
    )
    assert float(beside.get("height", "")) == pytest.approx(10 * float(prefix.get("height", "")))
    assert {"sentence: 100 and 1 probes", "whole: 5 probes", "10%", "40%", "100%"} <= {*texts(svg)}
    assert {"prefix target", "suffix target", "HARD", "EASY"} <= {*texts(svg)}


def test_an_empty_histogram_is_flat() -> None:
    bars = marked(histogram((0,) * 5, (0, 0.2, 0.4, 0.6, 0.8, 1.0), 0.4, 0.8, 1.0, "suffix"), "bar")

    assert [bar.get("height") for bar in bars] == ["0"] * 5


def test_a_curve_has_one_mark_per_point_and_a_band_only_for_intervals() -> None:
    known = [interval(0.2, 0.1, 0.3), interval(0.3, 0.2, 0.4), interval(0.35, 0.25, 0.45)]
    svg = curve(known, "expected max of k", "prefix")

    assert len(marked(svg, "mark")) == 3
    (band,) = marked(svg, "band")
    assert len(band.get("points", "").split()) == 6
    assert not marked(curve([interval(0.2), interval(0.3)], "k", "prefix"), "band")
    assert len(marked(curve([interval(0.2)], "k", "prefix"), "mark")) == 1
    ys = [float(point.split(",")[1]) for point in marked(svg, "line")[0].get("points", "").split()]
    assert ys == sorted(ys, reverse=True)


def test_dots_are_on_their_scale_and_rows_without_a_value_are_labeled() -> None:
    rows = [Dot("a", interval(0.0)), Dot("b", interval(0.5, 0.25, 0.75)), Dot("c", interval(1.0))]
    svg = dots([*rows, Dot("d", interval(None))], "share", marks=(Mark(0.5, "half"),))
    places = [float(mark.get("cx", "")) for mark in marked(svg, "mark")]

    assert len(places) == 3
    assert places[1] == pytest.approx((places[0] + places[2]) / 2, abs=0.01)
    assert len(marked(svg, "whisker")) == 1
    (limit,) = marked(svg, "limit")
    assert float(limit.get("x1", "")) == pytest.approx(places[1])
    assert {"a", "b", "c", "d", "none", "0.50", "half", "share"} <= set(texts(svg))


def test_a_suffix_also_has_its_own_shape() -> None:
    rows = [Dot("a", interval(0.5), "prefix"), Dot("b", interval(0.5), "suffix")]

    assert [mark.tag for mark in marked(dots(rows, "x"), "mark")] == ["circle", "path"]


def test_an_expected_value_is_a_ring() -> None:
    svg = dots([Dot("gold", interval(0.4), expected=1.0), Dot("other", interval(0.4))], "score")

    assert len(marked(svg, "ring")) == 1


def test_steps_keep_places_without_values() -> None:
    svg = steps([Step("1", "n 4", interval(0.5, 0.4, 0.6)), Step("2", "n 0", interval(None))],
                "distance", "suffix")  # fmt: skip

    assert len(marked(svg, "mark")) == len(marked(svg, "whisker")) == 1
    assert {"1", "2", "n 4", "n 0"} <= set(texts(svg))


def test_shares_are_bars_on_one_scale() -> None:
    svg = shares([Share("a", 0.4, 40), Share("b", 0.1)], "share of rows")
    wide, narrow = (float(bar.get("width", "")) for bar in marked(svg, "bar"))

    assert wide == pytest.approx(4 * narrow, abs=0.05)
    assert {"40% (40)", "10%"} <= set(texts(svg))


def test_a_stack_fills_the_width_and_its_legend_has_only_its_parts() -> None:
    parts = (Part("good", 75, "75 good"), Part("bad", 25, "25 bad"), Part("gone", 0, "0 gone"))
    legend = (("good", "good ones"), ("bad", "bad ones"), ("gone", "gone ones"))
    svg = stack([Stack("row", parts)], legend, "shares")
    good, bad = ([float(each.get("width", "")) for each in marked(svg, kind)]
                 for kind in ("good", "bad"))  # fmt: skip

    # The swatch of the legend, and the part.
    assert good == [11.0, pytest.approx(canvas.WIDTH * 0.75 - 1)]
    assert bad == [11.0, pytest.approx(canvas.WIDTH * 0.25 - 1)]
    assert "gone ones" not in texts(svg)
    assert {"75%", "25%", "good ones", "row"} <= set(texts(svg))


def swept(chosen: int | None) -> str:
    levels = [-1, 0, 1]
    same = [interval(0.5, 0.4, 0.6)] * 3
    shares = tuple(Series(kind, kind, same, 0.3) for kind in ("hard", "easy", "leak"))
    scores = (Series("expected max of 5; dashed: target 0.4", "max", same, 0.4),)
    plots = (
        Measures("score, from 0 to 1", short, scores),
        Measures("share", short_percent, shares),
    )
    return sweep(["Calibration of x", "chosen"], levels, plots, chosen, [1])


def test_a_sweep_has_title_axes_legend_limits_intervals_and_the_chosen_level() -> None:
    svg = swept(-1)

    assert {"Calibration of x", "calibration level, stricter to the right"} <= {*texts(svg)}
    assert {"score, from 0 to 1", "expected max of 5; dashed: target 0.4", "share"} <= {*texts(svg)}
    assert {"-1", "0", "+1", "0.25", "25%", "chosen", "×"} <= {*texts(svg)}
    assert len(marked(svg, "limit")) == 4
    assert len(marked(svg, "whisker")) == 4 * 3
    assert len(marked(svg, "chosen")) == 2
    assert not marked(swept(None), "chosen")


def test_equal_values_of_a_sweep_have_marks_side_by_side() -> None:
    bars = [each.get("d", "").split("L")[0] for each in marked(swept(-1), "whisker")[3:]]
    places = sorted(float(bar.removeprefix("M").split()[0]) for bar in bars)

    assert len(places) == 3 * 3
    assert min(right - left for left, right in pairwise(places)) >= 9.6


@pytest.mark.parametrize(
    "svg",
    [
        dots([Dot(EVIL, interval(0.5))], EVIL, marks=(Mark(0.5, EVIL),)),
        curve([interval(0.5)], EVIL, "prefix"),
        steps([Step(EVIL, EVIL, interval(0.5))], EVIL, "prefix"),
        shares([Share(EVIL, 0.5)], EVIL),
        stack([Stack(EVIL, (Part("a", 1, EVIL),))], (("a", EVIL),), EVIL),
        sweep([EVIL], [0], [Measures(EVIL, short, (Series(EVIL, "max", [None]),))], None, ()),
    ],
    ids=["dots", "curve", "steps", "shares", "stack", "sweep"],
)
def test_hostile_labels_are_escaped(svg: str) -> None:
    assert not [each for each in parsed(svg) if each.tag in ("script", "b")]
    assert "alert(1)" in "".join(texts(svg)) or "</svg>" in "".join(texts(svg))


@given(st.floats(-1, 0), st.floats(0.05, 1))
def test_ticks_are_on_their_scale_at_equal_distances(low: float, high: float) -> None:
    found = canvas.ticks(low, high)
    gaps = [b - a for a, b in pairwise(found)]

    assert 1 <= len(found) <= 7
    assert low - 1e-6 <= found[0]
    assert found[-1] <= high + 1e-6
    assert all(gap == pytest.approx(gaps[0]) for gap in gaps)


@given(st.floats(0, 1))
def test_a_ceiling_is_at_least_its_value(value: float) -> None:
    assert value <= canvas.ceiling(value) <= 1


def test_values_outside_a_scale_are_clamped_to_it() -> None:
    scale = canvas.Scale(0.0, 1.0, 10.0, 20.0)

    assert [scale(-3), scale(0.5), scale(7)] == [10.0, 15.0, 20.0]
