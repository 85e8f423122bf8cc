"""The kinds of spec. Code for every kind takes a `Declared`, other code the model of one kind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeAlias

from compiler.errors import UsageError
from compiler.spec.model import Spec
from compiler.spec.rollouts import RolloutsSpec

Declared: TypeAlias = Spec | RolloutsSpec

KINDS: Mapping[str, type[Spec] | type[RolloutsSpec]] = {"probes": Spec, "rollouts": RolloutsSpec}
"""The models of the kinds, by the value of `kind`; a spec without it is of kind probes."""


def parsed(text: str) -> Declared:
    """Return a spec from its JSON."""
    kind = json.loads(text).get("kind", "probes")
    # Validated from JSON, where the numeric keys of calibration levels are strings.
    return KINDS[kind].model_validate_json(text)


def of_probes(declared: Declared) -> Spec:
    """Return a spec of kind probes.

    Raises:
        UsageError: it is of another kind.
    """
    if not isinstance(declared, Spec):
        raise UsageError(
            f"{declared.name} is a spec of kind {declared.kind}, and this command reads probes",
            hint="name a spec of kind probes, such as one whose source.rollouts is this spec",
        )
    return declared


def of_rollouts(declared: Declared) -> RolloutsSpec:
    """Return a spec of kind rollouts.

    Raises:
        UsageError: it is of another kind.
    """
    if not isinstance(declared, RolloutsSpec):
        raise UsageError(
            f"{declared.name} is a spec of probes, and rollouts are wanted here",
            hint="name a spec with `kind: rollouts`",
        )
    return declared
