"""The stages of rollouts, in order. A new stage is one file here and one line below."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from compiler.engine.stage import Stage
from compiler.spec.paid import Role
from compiler.stages.context import Context
from compiler.stages.rollouts import (
    calibrate,
    continuing,
    corpus,
    filtering,
    prefix,
    publish,
    release,
)

PIPELINE: tuple[Callable[[Context], Stage | None], ...] = (
    corpus.stage,
    prefix.stage,
    prefix.distinct,
    continuing.stage,
    calibrate.stage,
    filtering.stage,
    publish.stage,
    release.stage,
)

# The role that each stage with requests calls.
ASKING: Mapping[str, Role] = {"continue": "writer"}
