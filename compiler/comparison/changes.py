"""A comparison as text for a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator

from compiler.comparison.fields import FieldChange
from compiler.comparison.hunks import unified
from compiler.comparison.outcomes import BANDS, Outcomes, Shift
from compiler.comparison.report import Report, RequestRow, Requests, names, titles
from compiler.keys import Json
from compiler.pricing.quotes import dollars
from compiler.report import probe
from compiler.report.numbers import percent_estimate, share, signed
from compiler.report.sample import Rollout
from compiler.report.screen import PLAIN, Screen
from compiler.report.sections.cells import CHANGES
from compiler.report.terminal import table

_LONGEST = 72


def text(report: Report, screen: Screen = PLAIN) -> str:
    """Format every compared depth, outcomes first, and the reason of each that is missing."""
    parts = [f"A  {report.a}\nB  {report.b}", *report.notices]
    if report.outcomes is not None:
        lines = screen.wrapped(report.verdict or "").splitlines()
        parts.append("\n".join(screen.paint(line, "bold") for line in lines))
        parts += _outcomes(report.outcomes, screen)
        parts += _moved(report, screen)
    parts += [f"{depth}: not compared: {why}" for depth, why in report.absent.items()]
    if report.unbuilt:
        head = "to compare outcomes, build what is missing, or add --build:"
        parts.append("\n".join([head, *(f"  {how}" for how in report.unbuilt.values())]))
    if report.fields is not None:
        parts.append(_fields(report.fields))
    if report.templates is not None:
        parts += [f"templates: {_count(len(report.templates), 'differs', 'differ')}"]
        parts += [unified(*names(each), each.hunks, whole=False) for each in report.templates]
    if report.requests is not None:
        parts += _requests(report.requests, screen)
    return "\n\n".join(part for part in parts if part)


def shown(value: Json) -> str:
    """Format a value of a spec in one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = " ".join(text.split()) or '""'
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def _fields(changes: tuple[FieldChange, ...]) -> str:
    lines = [f"spec: {_count(len(changes), 'field differs', 'fields differ')}"]
    for each in changes:
        lines.append(f"  {each.path}")
        if each.old_where is not None:
            lines.append(f"    - {shown(each.old)}  ({each.old_where})")
        if each.new_where is not None:
            lines.append(f"    + {shown(each.new)}  ({each.new_where})")
    return "\n".join(lines)


def _requests(requests: Requests, screen: Screen) -> Iterator[str]:
    rows = requests.rows
    yield table(
        ("requests", "scope", "A", "B", "same", "changed", "only A", "only B", "B has",
         "B sends", "how known"),
        [
            (r.stage, r.scope or "-", r.a, r.b, r.same, r.changed, r.only_a, r.only_b, r.known,
             r.new, r.basis)
            for r in rows
        ],
        screen,
    )  # fmt: skip
    for why, stages in requests.causes().items():
        listed = " and ".join(stages)
        yield screen.wrapped(f"{listed}: estimated, because their inputs need replies; {why}")
    yield _money(rows, screen)
    yield screen.wrapped(_summary(requests))
    for each in requests.examples:
        yield unified(*titles(each), each.hunks, whole=False)


def _money(rows: tuple[RequestRow, ...], screen: Screen) -> str:
    """Format tokens of all requests of both sides, and US dollars if either side costs any."""
    header = ["all requests of", "scope", "tokens in A", "B - A", "tokens out A", "B - A"]
    paid = any(r.a_usd or r.b_usd for r in rows)
    cells: list[list[object]] = [
        [r.stage, r.scope or "-", r.a_input, r.b_input - r.a_input, r.a_output,
         r.b_output - r.a_output]
        for r in rows
    ]  # fmt: skip
    if paid:
        header += ["US$ A", "B - A", "to build B"]
        for row, r in zip(cells, rows, strict=True):
            row += [r.a_usd, r.b_usd - r.a_usd, r.usd]
    for row, r in zip(cells, rows, strict=True):
        row.append(r.tokens)
    return table([*header, "tokens by"], cells, screen)


def _summary(requests: Requests) -> str:
    rows: tuple[RequestRow, ...] = requests.rows
    new, usd = sum(r.new for r in rows), sum(r.usd for r in rows)
    cost = dollars(usd, sum(r.low for r in rows), sum(r.high for r in rows))
    about = "about " if any(r.guessed("B") for r in rows) else ""
    return (
        f"{requests.differing:,} counted requests differ; building B now sends {about}{new:,}, "
        f"for {cost}"
    )


def _outcomes(found: Outcomes, screen: Screen) -> Iterator[str]:
    yield screen.wrapped(
        f"outcomes: {found.paired:,} scored probes paired by document and slot, of "
        f"{found.documents:,} documents; {found.same_question:,} pairs have the same question; "
        f"{found.only_a:,} are scored in A only, {found.only_b:,} in B only"
    )
    if found.shifts:
        yield table(
            ("score", "scope", "pairs", "A", "B", "B - A", "95% interval"),
            [
                (s.score, s.scope or "all", s.shift.n, s.a, s.b, signed(s.shift.value), interval(s))
                for s in found.shifts
            ],
            screen,
        )
        if note := rollouts(found):
            yield screen.wrapped(note)
        total = sum(map(sum, found.flips))
        part = f" ({100 * found.flipped / total:.1f}%)" if total else ""
        yield (
            table(
                ("A \\ B", *BANDS, "all"),
                [
                    (band, *row, sum(row))
                    for band, row in zip(BANDS, found.flips, strict=True)
                ] + [("all", *(sum(c) for c in zip(*found.flips, strict=True)), total)],
                screen,
            )
            + "\n"
            + screen.wrapped(
                f"{found.flipped:,} of {total:,} pairs{part} are in another band; {bands(found)}"
            )
            + "\n"
            + screen.wrapped(noise(found))
        )  # fmt: skip
    if found.lost:
        yield table(
            ("lost from", "reason", "A", "B", "A rate", "B rate"),
            [
                (each.scope, each.reason, each.a, each.b,
                 share(each.a, each.a_planned), share(each.b, each.b_planned))
                for each in found.lost
            ],
            screen,
        )  # fmt: skip
    yield table(
        ("cost", "calls A", "calls B", "tokens in A", "tokens in B", "tokens out A",
         "tokens out B", "US$ A", "US$ B"),
        [
            (x.role, x.calls, y.calls, x.input_tokens, y.input_tokens, x.output_tokens,
             y.output_tokens, x.usd, y.usd)
            for x, y in zip(found.usage_a, found.usage_b, strict=True)
        ],
        screen,
    )  # fmt: skip


def _moved(report: Report, screen: Screen) -> Iterator[str]:
    """Format the described probes in another band: question, answers and scores of both sides."""
    found = report.moved
    if not found:
        return
    assert report.outcomes is not None
    yield f"{len(found):,} of {report.outcomes.flipped:,} probes in another band, largest first"
    for each in found:
        a, b = each.a, each.b
        lines = [
            f"{screen.paint(each.probe_id_a, 'bold')}, {each.scope} {each.target}, "
            f"{probe.band(a.band, screen)} -> {probe.band(b.band, screen)} "
            f"(max {a.max:.2f} -> {b.max:.2f}), document {each.doc_id}, slot {each.slot}"
        ]
        for name, side in (("A", a), ("B", b)):
            if name == "A" or side.question != a.question:
                label = "question" if a.question == b.question else f"question {name}"
                lines += probe.labelled(label, side.question, screen)
            if name == "A" or side.response != a.response:
                label = "answer" if a.response == b.response else f"answer {name}"
                lines += probe.labelled(label, side.response, screen)
        for name, side in (("blind A", a), ("blind B", b)):
            rollouts = (Rollout(answer, score) for answer, score in side.answers)
            lines += probe.answers(name, rollouts, screen)
        yield "\n".join(lines)


def interval(shift: Shift) -> str:
    """Format a confidence interval as `+0.012 .. +0.034`, or the reason that there is none."""
    low, high = shift.shift.low, shift.shift.high
    if low is None or high is None:
        return f"none ({shift.shift.documents} documents)"
    return f"{signed(low)} .. {signed(high)}"


def rollouts(found: Outcomes) -> str:
    """Name the rollouts that are compared, if a probe has more; else ""."""
    if found.compared == max(found.rollouts_a, found.rollouts_b):
        return ""
    return (
        f"scores of the first {found.compared} rollouts of each probe (A has up to "
        f"{found.rollouts_a}, B {found.rollouts_b}), as the maximum grows with their number; bands "
        "of all rollouts"
    )


def bands(found: Outcomes) -> str:
    """Format the thresholds of the bands."""
    (hard, easy), other = found.bands_a, found.bands_b
    own = f"HARD is a max score below {hard:g}, EASY at least {easy:g}"
    same = found.bands_a == other
    return own if same else f"{own}; in B below {other[0]:g} and at least {other[1]:g}"


def noise(found: Outcomes) -> str:
    """Format the noise of either side's judge, with which its bands are to be read."""
    if found.noise_a is None and found.noise_b is None:
        return f"{CHANGES}: unknown, because no answers were judged twice (scoring.rejudge)"
    shares = (
        f"{each} {percent_estimate(share) if share is not None else 'unknown'}"
        for each, share in (("A", found.noise_a), ("B", found.noise_b))
    )
    return f"{CHANGES}: {', '.join(shares)} of the paired probes"


def _count(n: int, one: str, more: str) -> str:
    return "none differ" if n == 0 else f"{n:,} {one if n == 1 else more}"
