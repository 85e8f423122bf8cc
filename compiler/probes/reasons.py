"""Reasons of rejects and skips, and score statuses: the closed vocabulary of the ledger."""

from __future__ import annotations

from compiler.probes.checks import CHECKS, ROW_CHECKS

NO_UNIT = "no_unit"
"""Reason of slots that no request holds."""

REASONS: dict[str, str] = {
    "no_usable_sibling": "every sibling of the document is empty, short, looping or a duplicate",
    "no_split_place": "the chosen sibling offers no legal place for this split",
    "reply_refused": "the generator refused",
    "reply_truncated": "the generator's reply was cut at max_tokens",
    "reply_errored": "the generator's request failed, expired or was canceled after all retries",
    "reply_paused": "the generator's reply stops in the middle of a turn",
    "reply_empty": "the generator's reply holds no text",
    "reply_unknown": "the generator's reply has an unknown stop reason or content block",
    "reply_unparsed": "the generator's reply is not JSON, or damaged JSON of no certain reading",
    "reply_ambiguous": "the generator's reply holds several JSON objects of its shape that differ",
    "reply_invalid": "the generator's reply lacks a shown sibling, splits or probes",
    NO_UNIT: "no shown sibling has an atom for this slot, so it is not sent to the generator",
    "sibling_lacks_unit": "the sibling that the generator chose has no atom for this slot",
    "slot_declined": "the generator declined the slot and gave a reason",
    "slot_missing": "left out by the generator: its reply has no probe for this slot",
    "slot_invalid": "the generator's probe for this slot lacks a value or has one of a wrong type",
    "slot_unparsed": "the generator's probe for this slot is damaged JSON of no certain reading",
    "unit_not_given": "the generator named no unit",
    "unit_unknown": "the generator named a unit that was not offered",
    "unit_wrong_kind": "the generator named a unit of another kind",
    "unit_other_sibling": "the generator named a unit of a sibling that it did not choose",
    "unit_wrong_side": "the generator named a unit that is not entirely on the slot's side",
    "unit_reused": "another slot of the document already has this atom",
    "split_not_given": "the generator gave no split for this group",
    "split_unknown_id": "the generator named a split that was not offered",
    "split_wrong_kind": "the generator named a unit in place of a split",
    "split_other_sibling": "the generator named a split of a sibling that it did not choose",
    "split_not_legal": "the generator named a split that is not legal for this group",
    "no_word": "no unused content word of the 63 nearest words is absent from the complement",
    "no_window": "no unused, clean token window touches the split",
    "no_alternative": "no alternative of the same form that occurs in no sibling",
    **{
        check.reason: f"broken rule: {check.meaning}"
        for check in CHECKS.values()
        if check.severity == "error" and check.id in ROW_CHECKS
    },
}

EXCLUDED = "excluded"
"""The reason of slots whose document `publish.exclude` took out of a built dataset."""
EXCLUSION = "the document was taken out of the published rows (`publish.exclude`)"

CHANGES: dict[str, str] = {
    "prompt": "the generator's prompt, or its model: `probec prompt --reply` shows what it wrote",
    "spec": "the spec: max_tokens of the generator, rules of splits and scopes",
    "model": "the generator's model or server; `probec retry` sends the requests again",
    "source": "the source (too short, looping or repetitive texts, or too few documents), or the "
    "sizes of atoms and margins of splits in the spec",
    "publish": "nothing: `publish.exclude` took these documents out after the build",
}
"""What to change so that fewer slots are rejected."""

# The beginning of a reason -> its change; the longest one that fits applies.
_CHANGE_BY_START: dict[str, str] = {
    "reply_": "model",
    "reply_truncated": "spec",
    "reply_ambiguous": "prompt",
    "reply_invalid": "prompt",
    "slot_": "prompt",
    "unit_": "prompt",
    "split_": "prompt",
    "sibling_": "prompt",
    "V": "prompt",
    "V03_": "spec",
    "V07_": "source",
    "V08_": "source",
    "V10_": "source",
    "V22_": "spec",
    "no_": "source",
    "no_split_place": "spec",
    EXCLUDED: "publish",
}


def change_of(reason: str) -> str:
    """Return the key of `CHANGES` for a reason; "" for one of another version."""
    fits = [start for start in _CHANGE_BY_START if reason.startswith(start)]
    return _CHANGE_BY_START[max(fits, key=len)] if fits else ""


SKIPS: dict[str, str] = {
    "row_null": "a source row without an id, prefix or continuation: null, or an empty id",
    "row_type": "a source row with a value that is not read as text, such as a list or NaN as id",
    "row_empty": "a source row with an empty list of continuations",
    "row_surrogate": "a source row with a lone surrogate",
    "row_duplicate": "a source row equal to an earlier one",
    "sibling_empty": "an empty continuation",
    "sibling_leaking": "a continuation with a special token of the source model",
    "sibling_looping": "a continuation that repeats itself, by source.filters.loop",
    "sibling_boilerplate": "a continuation with boilerplate of web pages",
    "sibling_short": "a continuation below source.filters.min_chars, after all cuts",
    "sibling_duplicate": "a continuation equal to another of the document",
    "sibling_copies_prefix": "a continuation that copies its prefix",
    "sibling_near_copy": "a continuation that copies an earlier one of the document",
    "cut_leak": "a continuation cut at its first special token, or without them",
    "cut_loop": "a continuation cut where it begins to repeat itself",
    "cut_boilerplate": "a continuation cut at the first line of boilerplate",
    "cut_sentence": "a continuation without its unfinished last sentence",
}

LOSSES: dict[str, str] = {
    "sibling_errored": "a request that failed, or whose reply is not understood",
    "too_few_siblings": "a continuation of a document that keeps fewer than siblings.keep_min",
    "prefix_too_short": "no allowed end of a prefix in the first half of the text",
    "prefix_duplicate": "a prefix equal to that of an earlier document of the round",
    "row_where": "a row of a corpus with another value than corpus.where allows",
    "row_blank": "a row of a corpus with only whitespace",
    "row_short": "a row of a corpus below corpus.min_chars",
    "cut_detached": "a continuation cut where it leaves its topic",
}
"""The reasons that only builds of rollouts have; they have those of `SKIPS`, too."""

STATUSES: dict[str, str] = {
    "scored": "all rollouts answered and judged",
    "decided": "EASY by its first rollouts, so that early stopping sampled no more",
    "local": "a templated probe, unscored here: methods score it by exact match or log-probability",
    "answer_failed": "at least one rollout returned no answer",
    "judge_failed": "at least one verdict is not a single number in [0, 1]",
}
