"""`probec schema`: the JSON Schema of a spec, with a description on every field."""

from __future__ import annotations

import argparse
import json

from compiler.commands.result import Result
from compiler.spec.model import Spec

EXAMPLE = "probec schema > specs/spec.schema.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(args: argparse.Namespace) -> Result:
    """A spec file may leave to its parent what the schema requires of the whole."""
    schema = Spec.model_json_schema()
    schema["properties"]["extends"] = {
        "type": "string",
        "description": "A spec beside this one whose values this one overrides; one level.",
    }
    _loosen(schema)
    for definition in schema.get("$defs", {}).values():
        _loosen(definition)
    schema["title"] = "probec spec"
    return Result(json.dumps(schema, indent=2, ensure_ascii=False), schema)


def _loosen(definition: dict[str, object]) -> None:
    """What `extends` may bring need not be in the file itself."""
    definition.pop("required", None)
    properties = definition.get("properties", {})
    for shape in properties.values() if isinstance(properties, dict) else ():
        _either(shape)


def _either(shape: object) -> None:
    """Without `required`, a scope may look like more than one kind: any of them will do."""
    if isinstance(shape, dict):
        if "oneOf" in shape:
            shape["anyOf"] = shape.pop("oneOf")
            shape.pop("discriminator", None)
        for inner in shape.values():
            _either(inner)
