"""Claims in sentences, lists and histograms, found by their labels."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compiler.checking.claims.claim import Claim, keys
from compiler.checking.claims.page import COUNT_WORD, NUMBER, Page


def _pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern in which `{name}` is a number and a blank any white space.

    `{name:word}` may be spelled out; `for_scope` is a group with the subject, not a number. White
    space is bounded, so that a long run of it takes linear time.
    """
    text = re.sub(r"\{(\w+):word\}", lambda m: f"(?P<{m[1]}>{COUNT_WORD})", text)
    text = re.sub(r"\{([a-z]\w*)\}", lambda m: f"(?P<{m[1]}>{NUMBER})", text)
    return re.compile(text.replace(" ?", r"\s{0,20}").replace(" ", r"\s{1,20}"), re.IGNORECASE)


# At the start of a line: an interval in a table cell is written alike.
_EDGE = r"(?:[0-9]{1,4}(?:\.[0-9]{1,6})?|\.[0-9]{1,6})"
_BIN = rf"(?m:^)[\x20|*-]{{0,9}}(?P<for_bin>\[{_EDGE}, ?{_EDGE}[\])])[\x20|]{{1,20}}"
_ROLE = r"(?P<for_role>\b[a-z]{1,30})"
_LABELLED = tuple(
    _pattern(text)
    for text in (
        r"total probes[^|\n0-9]{0,40}{probes}",
        r"{probes} prob(?:es|ing questions) (?:over|across) {documents} "
        r"(?:distinct )?(?:source )?doc(?:ument)?s",
        r"{documents} distinct (?:source )?doc(?:ument)?s",
        r"num_examples: {examples}",
        r"yields (?:up to )?{slots:word} probes",
        r"{slots} slots ?(?:/|per|a|each)",
        r"probes scored ?: ?{scored}",
        r"scored probes(?: pooled)?[,:] {scored}",
        r"all {scored} scored probes",
        r"{scored} scored rows by their maximum",
        _ROLE + r" calls ?: ?{calls_each} ?[×x*] ?{calls_of} ?= ?{calls}",
        _ROLE + r" calls ?: ?{calls}(?! ?[×x*])",
        r"{rollouts} stochastic (?:answerer )?rollouts",
        r"max(?:imum)? (?:across|over|of) {rollouts} rollouts",
        r"answered each written probe {rollouts} times",
        r"scored when all {rollouts} rollouts",
        r"{tokens_in} input ?\+ ?{tokens_out} output ?\( ?" + _ROLE + r" ?\)",
        r"{price_in} ?/ ?M(?:illion|Tok)?(?: tokens)? input[^|$0-9]{1,8}"
        r"{price_out} ?/ ?M(?:illion|Tok)?(?: tokens)? output",
        r"(?:output ?\) ?:|total(?: cost)? ?[:=]?) ?(?=[~≈ ]{0,2}\$){usd}",
        r"{chunks} " + _ROLE + r" chunks ?(?:≤|<=|of at most|of up to) ?{chunk_limit} "
        r"(?P<for_unit>MB|requests)",
        r"cap of {batch_cap} requests",
        r"at least {typical_from:word} other sibling",
        r"up to {siblings_shown:word} sibling",
        r"\bmean ?[=:]? ?{mean}[,;]? std ?[=:]? ?{std}",
        r"HARD ?\( ?(?:max)? ?< ?{hard_below} ?\)",
        r"HARD means a maximum below {hard_below}",
        r"EASY ?\( ?(?:max)? ?(?:≥|>=) ?{easy_from} ?\)",
        r"EASY one of at least {easy_from}",
        _BIN + r"{bin}",
        _BIN + NUMBER + r"[\x20|]{0,20}\(?[\x20|]{0,20}{bin_share}(?<=%)",
        # Names of bands, not the adjectives.
        r"\b(?-i:HARD)(?: ?\([^()|]{1,20}\))? {hard}(?<=%)",
        r"\b(?-i:EASY)(?: ?\([^()|]{1,20}\))? {easy}(?<=%)",
    )
)
# Lists, and the parts of their first group.
_LISTS = (
    (
        _pattern(rf"((?:{NUMBER} [a-z_]+ ?\+ ?){{1,12}}{NUMBER} [a-z_]+) ?= ?{{slots}} slots"),
        _pattern(r"{slots} (?P<for_scope>[a-z_]+)"),
    ),
    (
        _pattern(
            r"(?m:^)[\x20#*_-]{0,9}not scored[^\n]{0,20}"
            rf"((?:\n+[-*] [a-z_]+: {NUMBER} [a-z_]+[^\n]{{0,80}}){{1,99}})"
        ),
        _pattern(r"(?P<for_scope>[a-z_]+): {unscored} (?P<for_status>[a-z_]+)"),
    ),
)


def read(page: Page) -> Iterator[Claim]:
    """Return the claims outside of tables."""
    for pattern in _LABELLED:
        for match in pattern.finditer(page.text):
            yield from _claims(page, match)
    for pattern, part in _LISTS:
        for match in pattern.finditer(page.text):
            yield from _claims(page, match)
            for each in part.finditer(match[1]):
                yield from _claims(page, each, match.start(1))


def _claims(page: Page, match: re.Match[str], shift: int = 0) -> Iterator[Claim]:
    groups = match.groupdict()
    of = {key[4:]: value.casefold() for key, value in groups.items() if key.startswith("for_")}
    for name, written in groups.items():
        if not name.startswith("for_"):
            yield page.at(name, written, shift + match.start(name), keys(of))
