"""Templated scopes by name. A new one is one file here and one line below."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from compiler.probes.scopes import lens, word
from compiler.probes.scopes.template import Workbench
from compiler.records import Probe, Reject, Slot

SCOPES: Mapping[str, Callable[[Slot, Workbench], Probe | Reject]] = {
    "word": word.build,
    "lens": lens.build,
}
