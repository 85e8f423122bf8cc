"""Claims of one kind that add up: columns of a table, told apart by their keys."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.checking.claims.claim import Amount, Claim, Claims, keys

# Typicality is null on many rows: labels add up to the rows only where a row of no label stands.
_UNLABELLED = frozenset({"", "-", "none", "null", "n/a", "no label", "unlabelled"})


@dataclass(frozen=True, slots=True)
class Column:
    """Claims of one name in one block that differ in the same keys, one for each."""

    block: int
    key_names: frozenset[str]
    claims: tuple[Claim, ...]

    @property
    def adds_up(self) -> bool:
        """Whether it has no gaps, no part twice, and no rows that are left out."""
        if any(claim.partial for claim in self.claims):
            return False
        if len({claim.of for claim in self.claims}) < len(self.claims):
            return False
        labels = {claim.get("typicality") for claim in self.claims}
        return labels == {None} or bool(labels & _UNLABELLED)

    def parts(self, whole: Claim) -> tuple[Claim, ...]:
        """Those of its claims that the whole is made of."""
        about = set(whole.of)
        return tuple(claim for claim in self.claims if about <= set(claim.of))


def columns(claims: Claims, name: str) -> list[Column]:
    """Every column of that name, in the order of the card."""
    found: dict[tuple[int, frozenset[str]], list[Claim]] = {}
    for claim in claims.named(name):
        key_names = frozenset(key for key, _ in claim.of)
        found.setdefault((claim.block, key_names), []).append(claim)
    return [Column(*key, tuple(parts)) for key, parts in found.items()]


def amount(claims: Claims, name: str, **of: str) -> Amount | None:
    """What the card claims of `name` about `of`: told as such, or the sum of the coarsest parts."""
    told = claims.one(name, **of)
    if told is not None:
        return Amount.of(told)
    about = set(keys(of))
    finer = sorted(
        (each for each in columns(claims, name) if each.adds_up and each.key_names > of.keys()),
        key=lambda each: (len(each.key_names), each.block),
    )
    for column in finer:
        parts = tuple(claim for claim in column.claims if about <= set(claim.of))
        if parts:
            return Amount.of(*parts)
    return None
