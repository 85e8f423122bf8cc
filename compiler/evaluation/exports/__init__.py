"""Export formats by name. A new one is one file here and one line below."""

from __future__ import annotations

from collections.abc import Mapping

from compiler.evaluation.exports import activation_oracle, cot_oracle, inspect, lm_eval, rows
from compiler.evaluation.exports.format import Format

FORMATS: Mapping[str, Format] = {
    "inspect": inspect.FORMAT,
    "lm-eval": lm_eval.FORMAT,
    "cot-oracle": cot_oracle.FORMAT,
    "ao": activation_oracle.FORMAT,
    "jsonl": rows.FORMAT,
}
