"""The JSON Schema of a spec file, for editors."""

from __future__ import annotations

from compiler.keys import Json
from compiler.spec.declared import KINDS


def schema(kind: str = "probes") -> dict[str, Json]:
    """Make the schema of one kind of spec, with a description of every field.

    A spec file may leave to its parent what the model requires of the whole.
    """
    found = KINDS[kind].model_json_schema()
    found["properties"]["extends"] = {
        "type": "string",
        "description": "A spec beside this one whose values this one overrides; one level.",
    }
    _loosen(found)
    for definition in found.get("$defs", {}).values():
        _loosen(definition)
    found["title"] = "probec spec"
    return found


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
