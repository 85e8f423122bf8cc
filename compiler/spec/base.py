"""What every part of a spec is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Level = Annotated[int, Field(ge=-3, le=3)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]
PromptName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*/[a-z0-9][a-z0-9._-]*$")]


class Model(BaseModel):
    """Base of every part of a spec: immutable, strict, no unknown keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
