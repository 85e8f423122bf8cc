"""The context-aware choice between atom and alternative, against another computation."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from msgspec.structs import replace

from compiler.probes.alternatives import Lens
from compiler.probes.checks import Facts, examine
from compiler.probes.collocations import HeldOut, Place, held_out
from compiler.probes.lexicon import Lexicon
from compiler.probes.places import Places
from compiler.probes.sampling import Stream
from compiler.probes.segment import Segments
from compiler.probes.siblings import Siblings
from compiler.records import Probe, Side
from compiler.spec.model import TemplateScope
from compiler.statistics.context import contexts
from compiler.statistics.observations import gather
from tests.probes.test_alternatives import pool, tokenizer
from tests.statistics.test_stats import fact

# Each document has two siblings with the same beginning.
OPENINGS = (
    "Fog hid the copper mine",
    "Rain fell on the quiet town",
    "They sold a copper mill",
    "Now the old mine opened",
    "Nobody left the town hall",
    "She bought the copper mine",
    "It was a quiet mine",
    "We saw the old town",
    "He drew the copper mine",
    "We reach the old mill",
    "Birds circle the copper mine",
    "Men left the mill",
)
ENDINGS = (", and the old mine closed.", "; the copper mine went on.", " beside the quiet town.")
DOCUMENTS = {
    f"d{n}": [opening + ENDINGS[n % 3], opening + ENDINGS[(n + 1) % 3]]
    for n, opening in enumerate(OPENINGS)
}
HELD = held_out(DOCUMENTS)


def counts() -> HeldOut:
    lexicon = Lexicon.current()
    texts = {name: [lexicon.read(text) for text in each] for name, each in DOCUMENTS.items()}
    return HeldOut(texts, lexicon)


def word_probe(name: str, start: int, end: int, alternative: str, target: Side) -> Probe:
    text = DOCUMENTS[name][0]
    return Probe(
        name, 0, "word", target, start, end, "Which word follows?", text[start:end], alternative,
        None, 1, 1 if target == "suffix" else -1, 1, 0, None, None, None, None, None,
        "word/suffix/0", 0, 1, None, (),
    )  # fmt: skip


def by_hand(name: str, start: int, end: int, word: str) -> int:
    """Count the held-out documents, other than one, with a word beside each of its neighbours."""
    split = re.compile(r"\w+|[^\w\s]")
    text = DOCUMENTS[name][0]
    left = split.findall(text[:start])[-1].lower()
    right = split.findall(text[end:])[0].lower()
    found = 0
    for other in HELD - {name}:
        pairs = set()
        for each in DOCUMENTS[other]:
            tokens = [token.lower() for token in split.findall(each)]
            pairs |= set(pairwise(tokens))
        found += ((left, word) in pairs) + ((word, right) in pairs)
    return found


def test_the_choice_rate_equals_counts_by_hand() -> None:
    held, wins, decided = counts(), 0.0, 0
    facts = []
    for name, (text, _) in DOCUMENTS.items():
        for match in re.finditer(r"copper|quiet|old", text):
            alternative = {"copper": "old", "old": "quiet", "quiet": "copper"}[match.group()]
            found = held.attestations(word_probe(name, *match.span(), alternative, "suffix"), text)
            expected = tuple(
                by_hand(name, *match.span(), word) for word in (match.group(), alternative)
            )
            assert found == expected
            wins += expected[0] > expected[1]
            decided += expected[0] != expected[1]
            facts.append(fact(name, None, "word", attested=found, level=0, split_kind="within"))

    every = contexts(gather(facts), ["word"])[0]
    assert 0 < decided < len(facts)
    assert 0 < wins < decided
    assert (every.rows, every.tested, every.decided) == (len(facts), len(facts), decided)
    assert every.rate.value == pytest.approx(wins / decided, abs=1e-6)


@pytest.mark.parametrize("name", ["a held-out document", "another document"])
def test_the_document_of_a_probe_does_not_attest_its_atom(name: str) -> None:
    # Both siblings of the document have the atom at its place, and no other document has.
    names = sorted(HELD) if name == "a held-out document" else sorted(set(DOCUMENTS) - HELD)
    own, other = "Fog hid the velvet lantern.", "Fog hid the velvet lantern again."
    lexicon = Lexicon.current()
    texts = {**DOCUMENTS, names[0]: [own, other]}
    read = {key: [lexicon.read(text) for text in each] for key, each in texts.items()}
    start = own.index("velvet")
    probe = word_probe(names[0], start, start + 6, "copper", "suffix")
    probe = replace(probe, response="velvet")

    found = HeldOut(read, lexicon).attestations(probe, own)
    assert found is not None
    assert found[0] == 0
    # A second held-out document attests it at both of its edges.
    read[names[1] if name == "a held-out document" else min(HELD)] = [lexicon.read(own)]
    found = HeldOut(read, lexicon).attestations(probe, own)
    assert found is not None
    assert found[0] == 2


def test_a_pair_that_held_out_documents_decide_is_flagged() -> None:
    text = DOCUMENTS["d0"][0]
    start = text.index("copper")
    scope = TemplateScope(kind="template", order=0, slots=1, split="word_lens")
    lexicon = Lexicon.current()
    facts = Facts(
        Segments(text, (), ()), Places(text, lexicon.read(text), lexicon), 0,
        text.index(" copper"), scope, [text.casefold()], 1, True,
    )  # fmt: skip

    def flags(alternative: str) -> set[str]:
        probe = word_probe("d0", start, start + 6, alternative, "suffix")
        found = counts().attestations(probe, text)
        return {each.check.id for each in examine(replace(probe, attested=found), facts)}

    assert by_hand("d0", start, start + 6, "copper") >= 4
    assert by_hand("d0", start, start + 6, "velvet") == 0
    assert "V31" in flags("velvet")
    # Attested about as often as the atom.
    assert by_hand("d0", start, start + 6, "old") >= 1
    assert "V31" not in flags("old")


def test_a_small_shard_holds_no_document_out() -> None:
    lexicon = Lexicon.current()
    few = {name: [lexicon.read(DOCUMENTS[name][0])] for name in list(DOCUMENTS)[:7]}

    probe = word_probe("d0", 12, 18, "old", "suffix")
    assert HeldOut(few, lexicon).attestations(probe, DOCUMENTS["d0"][0]) is None


OWN = "The harbour was quiet that morning, and nobody spoke of the storm."


@pytest.mark.parametrize(
    ("other", "level"),
    [
        ("Now painted market moved on", 0),
        ("Now painted market jumped on", 1),
        ("Now walked market jumped on", 2),
        ("Now of a market for them", 3),
    ],
)
def test_the_level_of_a_word_is_its_fit_to_the_place(other: str, level: int) -> None:
    siblings = Siblings([OWN, f"{OWN} painted walked moved jumped"], len(OWN), Lexicon.current())
    place = Place("painted", "moved")

    found = pool(OWN, other).word("harbour", place, "Which?", "d0", siblings, Stream("a"))

    assert found is not None
    assert found[:2] == ("market", level)


@pytest.mark.parametrize(
    ("other", "level"),
    [
        ("She walked a village road", 0),
        ("She jumped a village road", 1),
        ("She spoke of a village road", 2),
    ],
)
def test_the_level_of_a_window_is_the_token_beside_it(other: str, level: int) -> None:
    own, name = "They walked the harbour slowly", tokenizer()
    at = name.encode(own).count_before(own.index(" the"))
    like = Lens("d0", " the", Place("walked", ""), at, None, 1, "Which?")

    found = pool(own, other).window(like, name, Siblings([own], 0, Lexicon.current()), Stream("a"))
    assert found is not None
    assert found[1] == level
