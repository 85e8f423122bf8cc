"""Scoring policies by name. A new one is one function and one line below."""

from __future__ import annotations

from collections.abc import Mapping

from compiler.probes.scoring import judged, local
from compiler.probes.scoring.policy import Policy

POLICIES: Mapping[str, Policy] = {
    "judged": Policy(judged=True, number=judged.parse),
    "exact_match": Policy(judged=False, number=local.exact_match, version=2),
    "token_f1": Policy(judged=False, number=local.token_f1),
}
