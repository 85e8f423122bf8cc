"""Rules between counts of documents, slots and probes."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from compiler.checking.claims.claim import ZERO, Amount, Claim, Claims
from compiler.checking.claims.rule import Trial, at_most, equals, figure, terms
from compiler.checking.claims.sums import amount, columns

ADDITIVE = (
    *("planned", "built", "rejected", "scored", "unscored", "labelled"),
    *("calls", "tokens_in", "tokens_out", "usd", "drawn"),
)
# Facts that a card may tell in several places.
_REPEATED = (
    *("probes", "documents", "rounds", "slots", "scored", "rollouts", "hard_below", "easy_from"),
    *("scope_groups", "split_groups", "dataset_size"),
)
_SIZES = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


def scopes_make_the_total(claims: Claims) -> Iterator[Trial]:
    """Probes of all scopes = total."""
    scopes = tuple(claims.by("built", "scope").values())
    total = claims.one("probes") or _examples(claims)
    if total is not None and len(scopes) > 1:
        yield equals(total, Amount.of(*scopes), f"sum over scopes: {terms(scopes)}")


def slots_bound_probes(claims: Claims) -> Iterator[Trial]:
    """Probes <= slots x documents, in total and for each scope."""
    documents = _documents(claims)
    if documents is None:
        return
    for scope, slots, built in _slotted(claims):
        most = _product(slots, documents)
        yield at_most(built, most, f"{slots.written} slots x {figure(documents.value)} documents")
        planned = claims.one("planned", **({"scope": scope} if scope else {}))
        if planned is not None:
            yield equals(planned, most, f"{slots.written} slots x {figure(documents.value)}")


def a_shortfall_has_reasons(claims: Claims) -> Iterator[Trial]:
    """Slots that became no probe are counted by reason."""
    documents = _documents(claims)
    if documents is None:
        return
    reasons = claims.named("rejected")
    for _, slots, built in _slotted(claims):
        most = _product(slots, documents)
        missing = most.value - built.number
        how = (
            f"{slots.written} x {figure(documents.value)} - {built.written} leaves "
            f"{figure(missing)} slots, and no reason is given for them"
        )
        holds = missing <= 0 or bool(reasons)
        yield Trial((built, *most.claims), holds, built, built.written, figure(most.value), how)


def planned_is_built_or_rejected(claims: Claims) -> Iterator[Trial]:
    """Planned = built + rejected on every line of a ledger."""
    built = {(claim.block, claim.of): claim for claim in claims.named("built")}
    rejected = {(claim.block, claim.of): claim for claim in claims.named("rejected")}
    for planned in claims.named("planned"):
        place = (planned.block, planned.of)
        if place in built and place in rejected:
            parts = (built[place], rejected[place])
            yield equals(planned, Amount.of(*parts), f"built + rejected: {terms(parts)}")


def tables_add_up(claims: Claims) -> Iterator[Trial]:
    """A count told for a whole is the sum of the counts told for its parts, in every table."""
    for name in ADDITIVE:
        found = columns(claims, name)
        for fine in found:
            for coarse in found:
                if not fine.adds_up or coarse is fine or not coarse.key_names <= fine.key_names:
                    continue
                if coarse.key_names == fine.key_names and coarse.block >= fine.block:
                    continue
                for whole in coarse.claims:
                    parts = fine.parts(whole)
                    if parts:
                        how = f"the parts on line {parts[0].line} and below: {terms(parts)}"
                        yield equals(whole, Amount.of(*parts), how)


def labels_belong_to_suffixes(claims: Claims) -> Iterator[Trial]:
    """Typical and atypical are labels of suffix targets: no more of them than those."""
    for column in columns(claims, "labelled"):
        if column.key_names != {"scope", "typicality"} or not column.block:
            continue
        for scope in sorted({claim.get("scope") or "" for claim in column.claims}):
            parts = tuple(claim for claim in column.claims if claim.get("scope") == scope)
            most = amount(claims, "built", scope=scope, target="suffix")
            if most is not None:
                labels = Amount.of(*parts)
                yield Trial(
                    (*parts, *most.claims),
                    labels.value <= most.value,
                    parts[-1],
                    f"{terms(parts)} labels",
                    f"at most {figure(most.value)}",
                    f"suffix targets of {scope}",
                )


def told_twice_told_alike(claims: Claims) -> Iterator[Trial]:
    """A fact told in several places is the same in all of them."""
    for name in _REPEATED:
        first, *again = claims.all(name) or (None,)
        for claim in again:
            assert first is not None
            how = f"line {first.line} says {first.written}"
            yield equals(claim, Amount.of(first), how)
    probes = claims.one("probes")
    examples = [claim for claim in claims.named("examples") if claim.get("split")]
    if probes is not None and examples:
        how = f"num_examples of the front matter: {terms(examples)}"
        yield equals(probes, Amount.of(*examples), how)
    total = claims.one("built")
    if probes is not None and total is not None:
        yield equals(probes, Amount.of(total), f"the total of the table on line {total.line}")
    for times in claims.named("calls_of"):
        scored = claims.one("scored")
        if scored is not None:
            yield equals(times, Amount.of(scored), f"line {scored.line} says {scored.written}")


def slots_are_allotted(claims: Claims) -> Iterator[Trial]:
    """The slots of all scopes make the slots of a document; the scopes are as many as said."""
    total, by_scope = claims.one("slots"), claims.by("slots", "scope")
    if total is not None and by_scope:
        parts = tuple(by_scope.values())
        yield equals(total, Amount.of(*parts), f"sum over scopes: {terms(parts)}")
    for group in claims.named("group_slots"):
        parts = tuple(by_scope[s] for s in (group.get("scopes") or "").split("+") if s in by_scope)
        if len(parts) == len((group.get("scopes") or "").split("+")):
            yield equals(group, Amount.of(*parts), f"the allocation says {terms(parts)}")
    last = claims.one("slot_last")
    if last is not None and total is not None:
        first = Amount(total.number - 1, ZERO, (total,))
        yield equals(last, first, f"{total.written} slots counted from 0")
    groups, scopes = claims.one("scope_groups"), claims.by("built", "scope")
    if groups is not None and scopes:
        number = Amount(Decimal(len(scopes)), ZERO, ())
        yield equals(groups, number, f"the table has the scopes {', '.join(scopes)}")


def rounds_are_disjoint(claims: Claims) -> Iterator[Trial]:
    """As many rounds as drawings; no more documents built than drawn."""
    rounds, documents = claims.one("rounds"), claims.one("documents")
    drawn = tuple(claims.by("drawn", "round").values())
    if not drawn:
        return
    if rounds is not None:
        number = Amount(Decimal(len(drawn)), ZERO, ())
        yield equals(rounds, number, f"drawn: {terms(drawn)}")
    if documents is not None:
        yield at_most(documents, Amount.of(*drawn), f"drawn: {terms(drawn)}")


def sizes_agree(claims: Claims) -> Iterator[Trial]:
    """Bytes of all splits = size of the dataset; the download is no larger; the category holds."""
    size, parts = claims.one("dataset_size"), claims.named("bytes")
    if size is not None and parts:
        yield equals(size, Amount.of(*parts), f"num_bytes of the splits: {terms(parts)}")
    download = claims.one("download_size")
    if size is not None and download is not None:
        yield at_most(download, Amount.of(size), "what is downloaded is compressed")
    category = claims.one("size_category")
    total = claims.one("probes") or _examples(claims)
    if category is not None and total is not None:
        low, high = _category(str(category.value))
        holds = low <= total.number and (high is None or total.number < high)
        how = f"{category.value} on line {category.line}"
        yield Trial((total, category), holds, total, total.written, f"in {category.value}", how)


def _category(written: str) -> tuple[int, int | None]:
    """`1K<n<10K` -> (1000, 10000); `n<1K` -> (0, 1000); `n>1T` -> (10**12, None)."""
    if ">" in written:
        return _size(written.partition(">")[2]), None
    low, _, high = written.replace("<n<", " ").replace("n<", " ").partition(" ")
    return _size(low), _size(high)


def _size(written: str) -> int:
    digits = written.rstrip("KMBT")
    scale = _SIZES[written[-1]] if digits != written else 1
    return int(digits) * scale if digits.isdigit() else 0


def _examples(claims: Claims) -> Claim | None:
    parts = claims.named("examples")
    return parts[0] if len(parts) == 1 else None


def _documents(claims: Claims) -> Amount | None:
    """The documents that had slots: those drawn, where the card tells them apart."""
    drawn = tuple(claims.by("drawn", "round").values())
    if drawn:
        return Amount.of(*drawn)
    documents = claims.one("documents")
    return Amount.of(documents) if documents is not None else None


def _product(slots: Claim, documents: Amount) -> Amount:
    return Amount(slots.number * documents.value, ZERO, (slots, *documents.claims))


def _slotted(claims: Claims) -> Iterator[tuple[str, Claim, Claim]]:
    """Scope ("" for all), its slots for a document, its probes."""
    total, slots = claims.one("probes") or _examples(claims), claims.one("slots")
    if total is not None and slots is not None:
        yield "", slots, total
    built = claims.by("built", "scope")
    for scope, each in claims.by("slots", "scope").items():
        if scope in built:
            yield scope, each, built[scope]
