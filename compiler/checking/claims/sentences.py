"""Claims that stand in sentences, found by their labels.

A pattern's group named as a claim holds its number; a group `for_scope`, `for_role`, ... says what
it is about. White space in a pattern stands for any white space, so wrapped lines are one sentence;
`[^|]` keeps a match inside its table cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from compiler.checking.claims.claim import Claim, Keys, keys
from compiler.checking.claims.number import COUNT_WORD, NUMBER
from compiler.checking.claims.page import Page


def _pattern(text: str, flags: re.RegexFlag = re.IGNORECASE) -> re.Pattern[str]:
    """`{name}` is a number, `{name:word}` one that may be spelled out, a space any white space."""
    text = re.sub(r"\{(\w+):word\}", lambda m: f"(?P<{m[1]}>{COUNT_WORD})", text)
    text = re.sub(r"\{([a-z]\w*)\}", lambda m: f"(?P<{m[1]}>{NUMBER})", text)
    # Bounded: a card of nothing but blanks must not take for ever.
    return re.compile(text.replace(" ?", r"\s{0,20}").replace(" ", r"\s{1,20}"), flags)


_LABELLED = (
    r"total probes[^|\n0-9]{0,40}{probes}",
    r"{probes} prob(?:es|ing questions) (?:over|across) {documents} "
    r"(?:distinct )?(?:source )?doc(?:ument)?s",
    r"{documents} distinct (?:source )?doc(?:ument)?s",
    r"\( ?{rounds} round",
    r"doc(?:ument)?s,? in {rounds} rounds?\b",
    r"yields (?:up to )?{slots:word} probes",
    r"{slots} slots ?(?:/|per|a|each)",
    r"\b0 ?(?:\.\.|–|-|to) ?(?P<slot_last>[0-9]{1,4}) within",
    r"{scope_groups:word} scope groups",
    r"{split_groups:word} char(?:acter)?-level split offsets",
    r"all {split_groups:word} (?:split points|scope-group splits)",
    r"probes scored ?: ?{scored}",
    r"scored probes(?: pooled)?[,:] {scored}",
    r"all {scored} scored probes",
    r"(?P<for_role>\b[a-z]{1,30}) calls ?: ?{calls_each} ?[×x*] ?{calls_of} ?= ?{calls}",
    r"(?P<for_role>\b[a-z]{1,30}) calls ?: ?{calls}(?! ?[×x*])",
    r"{rollouts} stochastic answerer rollouts",
    r"max(?:imum)? (?:across|over|of) {rollouts} rollouts",
    r"best of {rollouts} stochastic",
    r"answered each written probe {rollouts} times",
    r"scored when all {rollouts} rollouts",
    r"{rollouts} model answers",
    r"{rollouts} judge scores",
    r"mean of the {rollouts} scores",
    r"{tokens_in} input ?\+ ?{tokens_out} output ?\( ?(?P<for_role>\b[a-z]{1,30}) ?\)",
    r"{price_in} ?/ ?M(?:illion|Tok)?(?: tokens)? input[^|$0-9]{1,8}"
    r"{price_out} ?/ ?M(?:illion|Tok)?(?: tokens)? output",
    r"{price_in} in and {price_out} out per million tokens \( ?(?P<for_model>[^)]{1,80})\)",
    r"[;,] ?{price_in} in and {price_out} out \( ?(?P<for_model>[^)]{1,80})\)",
    r"output ?\) ?: ?(?P<usd>[~≈]? ?\$" + NUMBER + ")",
    r"total(?: cost)? ?[:=]? ?(?P<usd>[~≈]? ?\$" + NUMBER + ")",
    r"{chunks} (?P<for_role>\b[a-z]{1,30}) chunks ?(?:≤|<=|of at most|of up to) ?{chunk_limit} "
    r"(?P<for_unit>MB|requests)",
    r"cap of {batch_cap} requests",
    r"{quirks} of [^|.%]{0,60}quirks",
    r"rate from {parsed_strict}[^|%]{0,40} to {parsed_final}",
    r"at least {typical_from:word} other sibling",
    r"up to {siblings_shown:word} sibling",
    r"same offset for all[^()|]{0,30}\( ?{same_split}",
    r"distinct offsets[^()|]{0,80}\( ?{distinct_split}",
    r"{same_split} of the documents use one offset",
    r"(?:up to|from the) {view_chars} char(?:acter)?s",
    r"produced a mean [^|.0-9]{0,40} of {calibration_mean}",
    r"\bmean ?[=:]? ?{mean}[,;]? std ?[=:]? ?{std}",
    r"HARD ?\( ?(?:max)? ?< ?{hard_below} ?\)",
    r"HARD means a maximum below {hard_below}",
    r"EASY ?\( ?(?:max)? ?(?:≥|>=) ?{easy_from} ?\)",
    r"EASY one of at least {easy_from}",
)
# Names of bands, not the adjectives.
_BANDS = (
    r"\bHARD(?: ?\([^()|]{1,20}\))? {hard}(?<=%)",
    r"\bEASY(?: ?\([^()|]{1,20}\))? {easy}(?<=%)",
)
# Those that begin with their number are tried at numbers only, which is most of the time saved.
_FROM_NUMBERS = tuple(_pattern(text) for text in _LABELLED if text.startswith("{"))
_FROM_LABELS = (
    *(_pattern(text) for text in _LABELLED if not text.startswith("{")),
    *(_pattern(band, re.NOFLAG) for band in _BANDS),
)
_COUNTS = re.compile(COUNT_WORD, re.IGNORECASE)


WORDS: dict[str, re.Pattern[str]] = {
    "row_is_probe": _pattern(r"each row is one probe"),
    "row_has_slots": _pattern(r"slots ?/ ?row|within the row|sees per row"),
    "tokens_estimated": _pattern(r"estimated tokens"),
    "from_latent": _pattern(r"\b(?:HARD|EASY)-FROM-LATENT\b"),
    "bb_full": _pattern(r"\( ?BB ?\)[^|]{0,160}\bboth\b"),
    "bb_blind": _pattern(r"blind [^|.]{0,20}bb_answer|bb_answer_\*[^|.]{0,40}\bblind\b"),
    "templated": _pattern(
        r"\b[a-z]{1,30} and [a-z]{1,30} are [a-z]{1,30}-templated ?\( ?no LLM ?\)|"
        r"\b[a-z]{1,30} and [a-z]{1,30} probes are written by templates"
    ),
    "model_picks": _pattern(r"for each probe [a-z]+ picks a target"),
    "every_alternative": _pattern(r"every probe[^|]{0,40} carries an [^|.]{0,20}"
                                  r"incorrect_plausible_answer"),
    "rescoring": _pattern(r"re-?score with more rollouts[^|]{0,60}denois\w+"),
    "max_grows": _pattern(r"maximum grows with the number of rollouts"),
    "side_prefix": _pattern(r"prefix ?\+ ?suffix|prefix-target|target = prefix"),
    "source_prefix": _pattern(r"\b[a-z]{1,30} prefix(?:es)? \+ [a-z ]{0,20}sibling|"
                              r"continuations of [a-z]+ prefixes|source prefix"),
    "generated_from": _pattern(r"where generated text begins|gen_start_char"),
    "generator": _pattern(r"^# ?# Generator\b", re.IGNORECASE | re.MULTILINE),
}  # fmt: skip

_ALLOCATION = _pattern(rf"((?:{NUMBER} [a-z_]+ ?\+ ?){{1,12}}{NUMBER} [a-z_]+) ?= ?{{slots}} slots")
_SLOT = _pattern(r"{slots} (?P<for_scope>[a-z_]+)")
_GROUP = _pattern(r"\bthe {group_slots} (?P<scopes>[a-z_]+(?: ?\+ ?[a-z_]+){0,6}) probes?\b")
_DRAWN = _pattern(rf"\( ?({NUMBER}(?: ?\+ ?{NUMBER}){{0,400}}) drawn ?\)")
_LOOSE = re.compile(NUMBER)
_END = _pattern(r"nearest|closest|adjacent to|first|last|declared end|beginning|end of the")
_VIEW = _pattern(r"(?:up to|from the) {view_chars} char")
_NAMES = {
    "source_tokenizer": _pattern(r"tokenizer of the source model: +`(?P<name>[^`|]+)`"),
    "lens_tokenizer": _pattern(r"lens atoms are counted with `(?P<name>[^`|]+)`"),
    "source_model": _pattern(r"continuations by (?P<name>[^\s|(),]+)"),
}
_WINDOW = 120


def read(page: Page) -> list[Claim]:
    """The claims of all sentences, in no order; one place is read once."""
    found = {(claim.name, claim.line, claim.column): claim for claim in _all(page)}
    return [*found.values()]


def _all(page: Page) -> Iterator[Claim]:
    for match in _labelled(page):
        about = {
            name.removeprefix("for_"): value.strip().casefold()
            for name, value in match.groupdict().items()
            if name.startswith("for_") and value
        }
        for name in match.re.groupindex:
            if not name.startswith("for_"):
                yield _number(page, match, name, keys(about))
    for name, pattern in WORDS.items():
        for match in pattern.finditer(page.prose):
            said = " ".join(match[0].split())
            yield page.word(name, said, *page.place(match.start()))
    for name, pattern in _NAMES.items():
        for match in pattern.finditer(page.text):
            yield page.word(name, match["name"], *page.place(match.start("name")))
    yield from _allocation(page)
    yield from _rounds(page)
    yield from _view(page)


def _labelled(page: Page) -> Iterator[re.Match[str]]:
    for pattern in _FROM_LABELS:
        yield from pattern.finditer(page.prose)
    places = [number.start() for number in _COUNTS.finditer(page.prose)]
    for pattern in _FROM_NUMBERS:
        for place in places:
            match = pattern.match(page.prose, place)
            if match:
                yield match


def _number(page: Page, match: re.Match[str], name: str, of: Keys, shift: int = 0) -> Claim:
    return page.number(name, match[name], shift + match.start(name), of)


def _allocation(page: Page) -> Iterator[Claim]:
    """`5 word + 3 sentence = 8 slots`, `the 10 word + lens probes`."""
    for match in _ALLOCATION.finditer(page.prose):
        yield _number(page, match, "slots", ())
        for part in _SLOT.finditer(match[1]):
            of = keys({"scope": part["for_scope"].casefold()})
            yield _number(page, part, "slots", of, match.start(1))
    for match in _GROUP.finditer(page.prose):
        scopes = sorted(scope.strip().casefold() for scope in match["scopes"].split("+"))
        yield _number(page, match, "group_slots", keys({"scopes": "+".join(scopes)}))


def _rounds(page: Page) -> Iterator[Claim]:
    """`(24 + 24 drawn)`: documents drawn into each round."""
    for match in _DRAWN.finditer(page.prose):
        for place, part in enumerate(_LOOSE.finditer(match[1])):
            offset = match.start(1) + part.start()
            yield page.number("drawn", part[0], offset, keys({"round": str(place)}))


def _view(page: Page) -> Iterator[Claim]:
    """Which end of a context is kept, said near the number of characters."""
    for match in _VIEW.finditer(page.prose):
        near = _END.search(page.prose, match.end(), match.end() + _WINDOW)
        if near:
            yield page.word("view_end", near[0], *page.place(near.start()))
