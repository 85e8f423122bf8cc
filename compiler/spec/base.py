"""Base class and shared field types of spec models."""

from __future__ import annotations

import ast
import inspect
from textwrap import dedent
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

Level = Annotated[int, Field(ge=-3, le=3)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Margin = Annotated[float, Field(ge=0.0, lt=0.5)]
"""A share of a text that is kept at each end."""
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
_SPLIT = r"^[a-z][a-z0-9_]*$"
_PROMPT = r"^[a-z][a-z0-9_-]*/[a-z0-9][a-z0-9._-]*$"
_URL = r"^https?://"
Name = Annotated[str, Field(pattern=_NAME, max_length=80)]
SplitName = Annotated[str, Field(pattern=_SPLIT, max_length=40)]
PromptName = Annotated[str, Field(pattern=_PROMPT)]
Url = Annotated[str, Field(pattern=_URL)]
PATTERNS = {
    _NAME: "not a name of letters, digits and . _ -",
    _SPLIT: "not a name of small letters, digits and _",
    _PROMPT: "not the name of a prompt, <role>/<variant>",
    _URL: "not an address that begins with http:// or https://",
}
"""The message about a text that does not match a pattern."""


class Model(BaseModel):
    """Base of every part of a spec: immutable, strict, no unknown keys."""

    # A part is validated as part of the whole, so it needs no validator of its own, which takes
    # milliseconds to build. Default parts are made with `model_construct`, which uses none.
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True
    )

    # Pydantic's own `use_attribute_docstrings` would parse the source at every start.
    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        found = handler(core_schema)
        properties = handler.resolve_ref_schema(found).get("properties", {})
        for name, text in meanings(cls).items():
            properties[name]["description"] = text
        return found


def meanings(model: type[Model]) -> dict[str, str]:
    """Return the description of each field of a model: the docstring below it in the source."""
    found: dict[str, str] = {}
    for klass in reversed(model.__mro__[: model.__mro__.index(Model)]):
        (node,) = ast.parse(dedent(inspect.getsource(klass))).body
        assert isinstance(node, ast.ClassDef)
        for field, below in zip(node.body, node.body[1:], strict=False):
            match field, below:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    found[name] = " ".join(text.split())
    return found
