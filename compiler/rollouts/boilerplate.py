"""Boilerplate of web pages, which begins where the article ends."""

from __future__ import annotations

from collections.abc import Mapping

import regex

# Beginnings of lines that are no part of an article. Each needs more than one common word.
_WEB_EN = (
    r"share (?:this|on)(?: (?:post|page|facebook|twitter|pinterest|linkedin))?\s*[:.!]?$",
    r"share this (?:article|post|page|story|entry)",
    r"(?:click|tap) here (?:to|for)\b",
    r"(?:click|tap) (?:the|on the) (?:link|button|image) (?:below|above)",
    r"(?:all rights reserved|copyright (?:©|\(c\)|\d{4}))",
    r"© ?\d{4}",
    r"(?:subscribe|sign up) (?:to|for) (?:our|the|my) (?:\w+ )?(?:newsletter|mailing|blog)",
    r"(?:leave|post|write) a (?:comment|reply)\b",
    r"(?:you must be|please) (?:logged|log) in to",
    r"your email address will not be published",
    r"(?:related|recommended|popular|recent|more) (?:articles|posts|stories|topics)\s*:?$",
    r"you (?:may|might) also (?:like|enjoy|be interested)",
    r"(?:read|continue reading|see) more\s*(?:[:»…>]|\.\.\.|$)",
    r"(?:posted|published|filed|tagged) (?:in|on|by|under|with)\b[^.]{0,60}$",
    r"(?:follow|like|find|join) us on (?:facebook|twitter|instagram|social|linkedin|youtube)",
    r"(?:terms of (?:use|service)|privacy policy|cookie policy)\b[^.]{0,60}$",
    r"this (?:site|website) uses cookies",
    r"this (?:article|post|page|entry) was (?:last )?(?:posted|updated|published) (?:on|in|by)",
    r"(?:about the author|author bio)\s*:?$",
    r"(?:disclaimer|advertisement|sponsored(?: content)?)\s*:?$",
    r"(?:skip|jump) to (?:main )?content",
    r"(?:back to top|next post|previous post|next page|older posts|newer posts)\b",
    r"(?:print|email|download) this (?:page|article|post|document)",
    r"(?:add|buy) (?:to cart|now)\s*$",
    r"(?:home|menu|search) [|>»] ",
    r"\d+ (?:comments?|shares?|views?|replies)\s*$",
    r"(?:enter|type) your (?:email|name|password)\b",
    r"(?:contact us|for more information)(?:,| )(?: ?please)? (?:at|visit|call|see|click)\b",
    r"(?:source|image|photo) ?(?:credit|courtesy)s?\s*:",
    r"(?:loading|please wait)(?:\.\.\.|…)",
)
_SETS: Mapping[str, regex.Pattern[str]] = {
    "web-en": regex.compile(
        r"^[ \t>*#\-•]*(?:" + "|".join(_WEB_EN) + ")", regex.IGNORECASE | regex.MULTILINE
    )
}
PATTERNS = tuple(_SETS)
"""The names of the sets of patterns."""


def place(text: str, patterns: str) -> int | None:
    """Find the first line that begins like boilerplate, and return its offset; None without one.

    `patterns`: the name of a set.
    """
    found = _SETS[patterns].search(text)
    return found.start() if found else None
