"""`probec schema`: the JSON Schema of a spec, with a description on every field."""

from __future__ import annotations

import argparse
import json

from compiler.commands.result import Result
from compiler.spec.declared import KINDS
from compiler.spec.schema import schema

EXAMPLE = "probec schema > specs/spec.schema.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the option for the kind of spec."""
    parser.add_argument("--kind", choices=[*KINDS], default="probes", help="default: probes")


def run(args: argparse.Namespace) -> Result:
    """Print the schema."""
    found = schema(args.kind)
    return Result(json.dumps(found, indent=2, ensure_ascii=False), found)
