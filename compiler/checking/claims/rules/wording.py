"""Rules between what a card says in words and what it says elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from compiler.checking.claims.claim import Amount, Claims
from compiler.checking.claims.rule import Trial, at_most, equals, figure, said

_HUNDRED = Decimal(100)
_NAME = re.compile(r"[A-Za-z]+[0-9]*(?:[.-][A-Za-z0-9]+)*")


def repaired_replies_had_quirks(claims: Claims) -> Iterator[Trial]:
    """Replies that only repair could read had quirks: at least final - strict of them."""
    quirks = claims.one("quirks")
    strict, final = claims.one("parsed_strict"), claims.one("parsed_final")
    if quirks is None or strict is None or final is None:
        return
    repaired = final.number - strict.number
    slack = final.slack + strict.slack + quirks.slack
    residual = _HUNDRED - final.number
    how = f"{final.written} were read, {strict.written} strictly: {figure(repaired)}% were repaired"
    if abs(residual - quirks.number) <= final.slack + quirks.slack:
        how += f"; {quirks.written} is what stayed unread, 100 - {final.written}"
    yield Trial(
        (quirks, strict, final),
        quirks.number + slack >= repaired and final.number + slack >= strict.number,
        quirks,
        quirks.written,
        f"at least {figure(repaired)}%",
        how,
    )


def typical_can_be_seen(claims: Claims) -> Iterator[Trial]:
    """Typical asks for no more other siblings than are shown."""
    threshold, shown = claims.one("typical_from"), claims.one("siblings_shown")
    if threshold is not None and shown is not None:
        others = Amount(shown.number - 1, shown.slack, (shown,))
        yield at_most(threshold, others, f"{shown.written} siblings shown, one of them chosen")


def one_aim_from_latent(claims: Claims) -> Iterator[Trial]:
    """A good probe is EASY from latent, wherever the card says so."""
    for term in claims.named("from_latent"):
        easy = str(term.value).upper().startswith("EASY")
        yield said(term, easy, "EASY-FROM-LATENT", "the aim of a probe, as the card defines it")


def one_meaning_of_bb(claims: Claims) -> Iterator[Trial]:
    """BB is full information or blind, not both."""
    full, blind = claims.one("bb_full"), claims.one("bb_blind")
    if blind is None and full is None:
        return
    out = full or blind
    assert out is not None
    others = (blind,) if full is not None and blind is not None else ()
    holds = full is None or blind is None
    how = f"line {blind.line} calls the same letters blind" if others and blind else "one meaning"
    yield said(out, holds, "one meaning of BB", how, *others)


def tokenizer_is_the_source_models(claims: Claims) -> Iterator[Trial]:
    """Lens atoms are counted in tokens of the source model."""
    lens, source = claims.one("lens_tokenizer"), claims.one("source_tokenizer")
    if lens is not None and source is not None:
        how = f"line {source.line} names that tokenizer of the source model"
        yield said(lens, lens.value == source.value, str(source.value), how, source)
    tokenizer = claims.one("meaning", column="tokenizer")
    model = claims.one("meaning", column="source_model")
    if tokenizer is None or model is None:
        return
    named = re.search(r"\(([^()]+)\)", str(tokenizer.value))
    told = re.search(r"`([^`]+)`", str(model.value))
    if named and told and _NAME.fullmatch(named[1]):
        same = named[1].casefold() == told[1].casefold()
        how = f"{named[1]} against the source model {told[1]}: N tokens of one are not N of another"
        yield said(tokenizer, same, f"the tokenizer of {told[1]}", how, model)


def templates_need_no_model(claims: Claims) -> Iterator[Trial]:
    """Probes written by templates, without a model, have nothing that a model picked."""
    templated = claims.one("templated")
    if templated is None:
        return
    for name, what in (
        ("model_picks", "a model picks the target of each probe"),
        ("every_alternative", "every probe carries an alternative, and none is said to be made"),
    ):
        claim = claims.one(name)
        if claim is not None:
            how = f"line {templated.line}: {templated.value}; yet {what}"
            yield said(claim, False, "who does so for templated scopes", how, templated)


def templates_have_no_generator(claims: Claims) -> Iterator[Trial]:
    """generator_model is not always a model where rows come from templates."""
    always = claims.one("meaning", column="generator_model")
    source = claims.one("meaning", column="source")
    if always is None or source is None or "template" not in str(source.value):
        return
    holds = not re.search(r"\balways\b", str(always.value), re.I)
    how = f"line {source.line}: source is {source.value}"
    yield said(always, holds, "null on rows that a template wrote", how, source)


def one_meaning_of_row(claims: Claims) -> Iterator[Trial]:
    """A row is one probe, or a document with its slots, not both."""
    probe, slots = claims.one("row_is_probe"), claims.one("row_has_slots")
    if probe is None:
        return
    how = "one meaning" if slots is None else f"line {slots.line} says: {slots.value}"
    others = () if slots is None else (slots,)
    yield said(probe, slots is None, "one meaning of row", how, *others)


def one_split_for_a_group(claims: Claims) -> Iterator[Trial]:
    """There are as many splits as groups that are said to have one."""
    splits, groups = claims.one("split_groups"), claims.one("scope_groups")
    if splits is not None and groups is not None:
        yield equals(splits, Amount.of(groups), f"line {groups.line} says {groups.written} groups")


def the_view_has_an_end(claims: Claims) -> Iterator[Trial]:
    """A context cut to N characters says which end is kept."""
    view, end = claims.one("view_chars"), claims.one("view_end")
    if view is None:
        return
    how = "the text near it names no end" if end is None else f"line {end.line}: {end.value}"
    others = () if end is None else (end,)
    expected = f"{view.written} characters nearest the split, or of another named end"
    yield Trial((view, *others), end is not None, view, view.written, expected, how)


def the_maximum_grows(claims: Claims) -> Iterator[Trial]:
    """More rollouts do not denoise a maximum: they raise it."""
    advice, grows = claims.one("rescoring"), claims.one("max_grows")
    if advice is not None:
        how = "the maximum of K scores grows with K; an estimate at fixed k is what converges"
        yield said(advice, False, "the unbiased maximum of k out of K, at fixed k", how)
    elif grows is not None:
        yield said(grows, True, "said", "the card says that the maximum grows with K")


def one_mean_of_the_maximum(claims: Claims) -> Iterator[Trial]:
    """Two means of the maximum say of which level or build each is."""
    mean, other = claims.one("mean"), claims.one("calibration_mean")
    if mean is not None and other is not None:
        how = f"line {mean.line} says {mean.written} of this build"
        yield equals(other, Amount.of(mean), how)


def one_meaning_of_prefix(claims: Claims) -> Iterator[Trial]:
    """Prefix is the source's text or the side before a split; a card with both tells them apart."""
    side, source = claims.one("side_prefix"), claims.one("source_prefix")
    apart = claims.one("generated_from")
    if side is None or source is None:
        return
    how = f"line {source.line} says: {source.value}"
    if apart is not None:
        how += f"; line {apart.line} says where generated text begins"
    yield said(side, apart is not None, "a column for where generated text begins", how, source)


def shares_make_the_whole(claims: Claims) -> Iterator[Trial]:
    """Shares of documents with one offset and with several make 100%."""
    same, distinct = claims.one("same_split"), claims.one("distinct_split")
    if same is not None and distinct is not None:
        rest = Amount(_HUNDRED - same.number, same.slack, (same,))
        yield equals(distinct, rest, f"100% - {same.written}")
