"""Scoring policies by name. A new one is one function and one line below."""

from __future__ import annotations

from collections.abc import Mapping

from compiler.probes.scoring import judged, local
from compiler.probes.scoring.policy import Policy

POLICIES: Mapping[str, Policy] = {
    "judged": Policy(True, judged.parse),
    "exact_match": Policy(False, local.exact_match),
    "token_f1": Policy(False, local.token_f1),
}
