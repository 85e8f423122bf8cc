"""The embedded model as generator: choice of sibling, splits and atoms, and the probes.

Of the units that a slot may take, it prefers one whose overlap with the other side is the one that
the calibration level asks for: easier levels share more words with what a text-only reader sees.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

import regex

from compiler.embedded import language, tags
from compiler.embedded.nearmiss import NearMisses
from compiler.embedded.tags import Marked, Place, ScopeTag, SlotTag, Unit
from compiler.words import STOPWORDS, WORD, content_stems, is_content, stems

_CAUSE = regex.compile(
    r"\b(?:because|since|due to|therefore|in order to|so that|as a result)\b", regex.IGNORECASE
)
_NUMBER = regex.compile(r"(?<!\w)\d")
_CONTRAST = regex.compile(
    r"\b(?:but|however|although|though|while|whereas|yet|despite|instead|rather)\b",
    regex.IGNORECASE,
)


def write(prompt: str, sample: int) -> str:
    """Return the JSON reply to a generator prompt."""
    scopes = tags.scopes(prompt)
    slots = tags.slots(prompt)
    siblings = tags.siblings(prompt)
    level = tags.level(prompt)
    plans = [_plan(sibling, slots, scopes, level) for sibling in siblings]
    best = max(range(len(plans)), key=lambda i: (len(plans[i].slots), len(siblings[i].units), -i))
    plan = plans[best]
    rest = max([len(p.slots) for i, p in enumerate(plans) if i != best], default=0)
    reply = {
        "sibling": plan.sibling.letter,
        "sibling_rationale": (
            f"Continuation {plan.sibling.letter} offers usable atoms for {len(plan.slots)} of "
            f"{len(slots)} slots, out of {len(plan.sibling.units)} marked units; the other "
            f"{len(siblings) - 1} shown offer at most {rest}."
        ),
        "splits": {group: place.id for group, place in plan.places.items() if place},
        "split_rationale": _split_rationale(plan),
        "probes": _probes(plan, slots, scopes, siblings),
    }
    return json.dumps(reply, ensure_ascii=False)


_NO_UNIT = "No unit is left on its side."
_NO_ALTERNATIVE = "No sound alternative can be composed of the other side's statements."
# The share of an atom's content words that the other side holds: at level 0 half of them, with this
# much change from level to level, and at each level this much difference between slots.
_MIDDLE, _PER_LEVEL, _SPREAD = 0.5, 1 / 6, 0.8
# A unit of the human text costs as much as a third of the overlap.
_HUMAN = 1.0


@dataclass(frozen=True)
class _Filled:
    """The units that can serve a slot at a split, best first, and the worth of the best."""

    units: tuple[Unit, ...]
    worth: float


@dataclass(frozen=True)
class _Plan:
    """The places at which a sibling is split, by group, and the units of the slots, by index."""

    sibling: Marked
    places: dict[str, Place | None]
    slots: dict[int, _Filled]


def _probes(
    plan: _Plan, slots: list[SlotTag], scopes: dict[str, ScopeTag], siblings: list[Marked]
) -> list[dict[str, object]]:
    """Return a probe or a decline for every slot.

    A slot for whose unit no sound alternative can be composed takes the next best unit.
    """
    others = [s.text[s.generated :] for s in siblings if s.letter != plan.sibling.letter]
    used = {filled.units[0].id for filled in plan.slots.values()}
    probes: list[dict[str, object]] = []
    for slot in slots:
        place, filled = plan.places.get(scopes[slot.scope].split), plan.slots.get(slot.index)
        if place is None or filled is None:
            probes.append({"slot": slot.index, "decline": _NO_UNIT})
            continue
        writer = _Writer(plan.sibling, place.offset, others, siblings)
        spare = (unit for unit in filled.units[1:] if unit.id not in used)
        written = (writer.probe(slot, unit) for unit in chain(filled.units[:1], spare))
        probe = next((each for each in written if each is not None), None)
        if probe is not None:
            used.add(str(probe["unit"]))
        probes.append(probe or {"slot": slot.index, "decline": _NO_ALTERNATIVE})
    return probes


def _split_rationale(plan: _Plan) -> str:
    size = len(plan.sibling.text)
    parts = [
        f"{group} at {100 * place.offset // size}% of the text"
        for group, place in plan.places.items()
        if place is not None
    ]
    if not parts:
        return "No place is legal for any split group."
    return (
        "Each place leaves the most usable atoms on the sides that its slots ask for and, of such "
        "places, has atoms of about the wanted overlap with the other side and is near the "
        "middle: " + "; ".join(parts) + "."
    )


def _plan(sibling: Marked, slots: list[SlotTag], scopes: dict[str, ScopeTag], level: int) -> _Plan:
    places: dict[str, Place | None] = {}
    chosen: dict[int, _Filled] = {}
    wanted = {slot.index: _wanted(sibling, slot, level) for slot in slots}
    for group in ("word_lens", "sentence", "paragraph", "whole"):
        mine = [slot for slot in slots if scopes[slot.scope].split == group]
        best: tuple[int, float, Place, dict[int, _Filled]] | None = None
        for place in (p for p in sibling.places if group in p.groups):
            filled = _fill(sibling, place.offset, mine, wanted)
            central = -abs(place.offset / len(sibling.text) - 0.55)
            worth = central + sum(each.worth for each in filled.values()) / max(1, len(filled))
            if best is None or (len(filled), worth) > best[:2]:
                best = (len(filled), worth, place, filled)
        places[group] = best[2] if best else None
        chosen |= best[3] if best else {}
    return _Plan(sibling, places, chosen)


def _wanted(sibling: Marked, slot: SlotTag, level: int) -> float:
    """Return the overlap with the other side that the atom of a slot should have, from 0 to 1."""
    place = language.choose(range(101), "overlap", slot.index, sibling.text) / 100 - 0.5
    return min(1.0, max(0.0, _MIDDLE - _PER_LEVEL * level + _SPREAD * place))


def _fill(
    sibling: Marked, split: int, slots: list[SlotTag], wanted: Mapping[int, float]
) -> dict[int, _Filled]:
    """Return the slots that a split can serve, each with its units."""
    filled: dict[int, _Filled] = {}
    used: set[str] = set()
    worths: dict[str, tuple[float, float]] = {}
    side_id = f"{sibling.letter}.side"
    for slot in slots:
        before = slot.side == "before"
        low, high = (0, split) if before else (split, len(sibling.text))
        complement = sibling.text[split:] if before else sibling.text[:split]
        if side_id in slot.units:
            units = [Unit(side_id, "side", low, high)]
        else:
            found = (each for each in sibling.units if each.id in slot.units)
            units = [each for each in found if low <= each.start and each.end <= high]
        ranked: list[tuple[float, Unit]] = []
        for distance, unit in enumerate(reversed(units) if before else units, start=1):
            if unit.id in used:
                continue
            if unit.id not in worths:
                worths[unit.id] = _worth(sibling.text[unit.start : unit.end], complement)
            clear, overlap = worths[unit.id]
            far = min(8, abs(distance - slot.distance)) if slot.distance else 0
            human = _HUMAN if unit.start < sibling.generated else 0.0
            worth = clear - 3 * abs(overlap - wanted[slot.index]) - 0.12 * far - human
            ranked.append((worth, unit))
        if ranked:
            ranked.sort(key=lambda each: -each[0])
            used.add(ranked[0][1].id)
            filled[slot.index] = _Filled(tuple(unit for _, unit in ranked), ranked[0][0])
    return filled


def _worth(text: str, complement: str) -> tuple[float, float]:
    """Score a text as an atom by its clarity, and by its overlap with the complement.

    The second is the share of its content stems that the complement holds.
    """
    content = content_stems(text)
    overlap = len(content & stems(complement)) / max(1, len(content))
    if len(content) < 3 or _flat(text).strip(".!?") in _flat(complement):
        return -4.0, overlap
    first = (WORD.findall(text) or [""])[0].casefold()
    clear = 0.0 if first in STOPWORDS and first not in ("the", "in", "a", "an") else 0.3
    parsed = language.clause(text)
    parsed_well = parsed is not None and language.names_something(parsed.subject)
    return clear + 0.5 * parsed_well, overlap


def _flat(text: str) -> str:
    return " ".join(text.split()).casefold()


class _Writer:
    """A writer of probes for one sibling at one split."""

    def __init__(
        self, sibling: Marked, split: int, others: list[str], siblings: list[Marked]
    ) -> None:
        self._sibling = sibling
        self._split = split
        self._others = others
        self._siblings = [s.text for s in siblings]

    def probe(self, slot: SlotTag, unit: Unit) -> dict[str, object] | None:
        """Return one probe of the reply, or None if no sound alternative can be composed."""
        text = self._sibling.text
        atom = text[unit.start : unit.end].strip()
        far = slot.side == "after"
        complement = text[: self._split] if far else text[self._split :]
        misses = NearMisses(atom, complement, self._siblings)
        kind = unit.kind
        if kind not in ("sent", "par", "side"):
            kind = "par" if len(language.sentences(atom)) > 1 else "sent"
        if kind == "sent":
            question, answer = self._sentence(atom, complement, far)
            alternative = misses.of(atom)
        elif kind == "par":
            question, answer = self._paragraph(atom, complement, far)
            alternative = misses.all(language.sentences(atom))
        else:
            question, answer = self._whole(atom, complement, far)
            alternative = misses.all(language.sentences(answer))
        if alternative is None:
            return None
        labels = self._typicality(atom) if slot.labelled else {}
        return {
            "slot": slot.index,
            "unit": unit.id,
            "question": question,
            "answer": answer,
            "alternative": alternative,
            "synergy_check": _synergy(atom, kind),
            "difficulty_check": _difficulty(atom, complement),
            **labels,
        }

    def _sentence(self, atom: str, complement: str, far: bool) -> tuple[str, str]:
        where = _where(far, atom)
        parsed = language.clause(atom)
        named = parsed is not None and language.names_something(parsed.subject)
        topic = (
            language.lower_first(parsed.subject)
            if parsed and named
            else self._topic(atom, complement)
        )
        answer = language.compress(atom, 45)
        rest = parsed.rest if parsed else atom
        verb = parsed.verb.casefold() if parsed else ""
        if all(map(_NUMBER.search, (rest, answer))) and not _NUMBER.search(topic):
            asked = f"which figure or date goes with {topic}, and what is it about"
        elif _CAUSE.search(rest):
            asked = f"what is the reason or purpose concerning {topic}"
        elif _CONTRAST.search(rest):
            asked = f"what contrast or exception holds for {topic}"
        elif named and verb in language.COPULAS:
            asked = language.choose(
                (
                    f"what {verb} {topic}, and with what qualification",
                    f"what characterises {topic}, and in what respect",
                ),
                atom,
            )
        elif named and verb in language.MODALS:
            asked = f"what {verb} {topic} do or undergo, and under which condition"
        elif named and verb in language.HAVES:
            asked = f"what {verb} {topic} done or come to, and to what effect"
        elif named:
            asked = language.choose(
                (
                    f"what happens with {topic}, and with which particulars",
                    f"what becomes of {topic}, and what is this tied to",
                ),
                atom,
            )
        else:
            come = "come" if " and " in topic else "comes"
            asked = language.choose(
                (
                    f"what specifically is true that involves {topic}",
                    f"who or what is concerned where {topic} {come} up, and in which way",
                ),
                atom,
            )
        return f"{where}, {asked}?", answer

    def _paragraph(self, atom: str, complement: str, far: bool) -> tuple[str, str]:
        found = language.topics(atom, complement, 2)
        both = " and ".join(found) if found else "one matter"
        lines = language.sentences(atom) or [atom]
        richest = sorted(lines, key=lambda line: -len(content_stems(line)))[:2]
        answer = " ".join(language.compress(line, 30) for line in lines if line in richest)
        asked = language.choose(
            (
                f"what holds for {both}, and what supports or qualifies this",
                f"which two things are true of {both}, taken together",
                f"what is the case with {both}, and what else belongs to it",
            ),
            atom,
        )
        return f"{_where(far, atom)}, {asked}?", answer

    def _whole(self, atom: str, complement: str, far: bool) -> tuple[str, str]:
        lines = [line for line in language.sentences(atom) if language.is_clean(line)] or [atom]
        picked = [lines[0], lines[len(lines) // 2], lines[-1]] if len(lines) > 2 else lines
        answer = " ".join(language.compress(line, 26) for line in dict.fromkeys(picked))
        found = language.topics(atom, complement, 3)
        about = f", where {', '.join(found[:-1])} and {found[-1]} come up" if len(found) > 1 else ""
        asked = (
            f"from here on, as a whole, what comes first, what next, and what at the end{about}"
            if far
            else f"up to this point, as a whole, what came first, what next, and what last{about}"
        )
        return asked[:1].upper() + asked[1:] + "?", answer

    def _topic(self, atom: str, complement: str) -> str:
        found = language.topics(atom, complement, 2)
        return " and ".join(found) if found else "this"

    def _typicality(self, atom: str) -> dict[str, object]:
        wanted = content_stems(atom)
        count = sum(len(wanted & stems(other)) >= 0.6 * len(wanted) for other in self._others)
        total = len(self._others)
        shown = f"{count} of {total} other continuations hold at least 60% of its content words"
        return {
            "typicality": "typical" if count >= min(3, total) else "atypical",
            "distribution_check": shown,
        }


def _where(far: bool, atom: str) -> str:
    if far:
        return language.choose(("Further on", "In what follows", "Later on"), "w", atom)
    return language.choose(("Earlier on", "In what came before", "Before this point"), "w", atom)


def _synergy(atom: str, kind: str) -> str:
    parts = language.pieces(atom) if kind == "sent" else language.sentences(atom)
    if len(parts) < 2:
        words = atom.split()
        parts = [" ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])]
    picked = (
        [parts[0], parts[-1]] if kind == "sent" else [parts[0], parts[len(parts) // 2], parts[-1]]
    )
    quoted = [f"“{language.short(part)}”" for part in dict.fromkeys(picked)]
    return "Integrates " + " with ".join(quoted)


def _difficulty(atom: str, complement: str) -> str:
    content = [w for w in dict.fromkeys(WORD.findall(atom)) if is_content(w)]
    there = stems(complement)
    absent = [w for w in content if content_stems(w) - there]
    shared = [w for w in content if w not in absent]
    return (
        f"Hard from text: {len(absent)} of its {len(content)} content words are absent from the "
        f"other side ({', '.join(absent[:5]) or 'none'}). Easy from latent: it continues the thread "
        f"of {', '.join(shared[:3]) or 'the opening topic'}."
    )
