"""Near misses: a sentence shaped like another one that says something else, from the complement.

Subject of the original with what the complement says of something else; where that fails, content
words are replaced by the complement's of the same shape.
"""

from __future__ import annotations

from compiler.llm.providers.extractive import language
from compiler.words import WORD, content_stems, is_content, stem


def near_miss(sentence: str, complement: str, siblings: list[str]) -> str:
    """An incorrect but plausible variant of a sentence, of similar length, that no sibling has."""
    donors = [line for line in language.sentences(complement) if len(line.split()) >= 4]
    original = language.clause(sentence)
    if original is not None and donors:
        made = _graft(sentence, original, donors, siblings)
        if made is not None:
            return made
    return _substitute(sentence, complement, siblings)


def _graft(
    sentence: str, original: language.Clause, donors: list[str], siblings: list[str]
) -> str | None:
    best: tuple[float, str] | None = None
    for donor in donors:
        parsed = language.clause(donor)
        if parsed is None or _number(parsed.verb) != _number(original.verb):
            continue
        made = language.compress(
            f"{original.subject} {parsed.verb} {parsed.rest}", max(6, 2 * len(sentence.split()))
        )
        ratio = len(made) / len(sentence)
        same = len(content_stems(made) & content_stems(sentence)) / max(1, len(content_stems(made)))
        if not 0.55 <= ratio <= 1.8 or same > 0.6 or _within(made, siblings):
            continue
        fit = -abs(ratio - 1) - same
        if best is None or fit > best[0]:
            best = (fit, made)
    return best[1] if best else None


def _number(verb: str) -> str:
    """Which subjects a verb agrees with, as far as its form tells."""
    low = verb.casefold()
    if low in ("is", "was", "has") or (low.endswith("s") and low not in ("does",)):
        return "singular"
    return "plural" if low in ("are", "were", "have") else "any"


def _substitute(sentence: str, complement: str, siblings: list[str]) -> str:
    """Every second content word replaced by one of the complement with the same shape."""
    mine = content_stems(sentence)
    pool: dict[tuple[bool, str], list[str]] = {}
    for word in dict.fromkeys(WORD.findall(complement)):
        if is_content(word) and stem(word) not in mine:
            pool.setdefault(_shape(word), []).append(word)
    out: list[str] = []
    at = changed = number = 0
    for match in WORD.finditer(sentence):
        word = match.group()
        out.append(sentence[at : match.start()])
        at = match.end()
        replacement = word
        if is_content(word):
            number += 1
            options = pool.get(_shape(word), [])
            if options and number % 2:
                replacement = options.pop(0)
                changed += 1
        elif word.isdigit():
            replacement = str(int(word) + 1 + len(word))
            changed += 1
        out.append(replacement)
    out.append(sentence[at:])
    made = language.tidy("".join(out))
    if changed and not _within(made, siblings):
        return made
    return language.tidy(f"{language.short(sentence, 4)} turned out otherwise, as the rest suggests.")


def _shape(word: str) -> tuple[bool, str]:
    low = word.casefold()
    ending = next((e for e in ("ing", "ed", "ly", "s") if low.endswith(e)), "")
    return word[:1].isupper(), ending


def _within(made: str, siblings: list[str]) -> bool:
    flat = " ".join(made.split()).casefold().rstrip(".!?")
    return any(flat in " ".join(text.split()).casefold() for text in siblings)
