"""`probec export`: the dataset in the format of another tool."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from compiler.building import folder
from compiler.commands.evaluate import options, questions
from compiler.commands.result import Result
from compiler.errors import UsageError
from compiler.evaluation import exporting, page, subject
from compiler.evaluation.exporting import MANIFEST, Manifest
from compiler.evaluation.exports import FORMATS
from compiler.report.numbers import count, size

EXAMPLE = "probec export specs/demo.yaml --to inspect --out exports/inspect"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the dataset, the format and its options."""
    options.add_dataset(parser)
    listed = "; ".join(f"{name}: {each.summary}" for name, each in FORMATS.items())
    parser.add_argument("--to", required=True, choices=tuple(FORMATS), help=listed)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new directory")
    parser.add_argument(
        "--bands",
        action="append",
        default=[],
        choices=subject.BANDS[1:],
        help="only probes in this band; repeatable",
    )
    parser.add_argument(
        "--splits",
        metavar="NAME=SHARE,...",
        help="a file for each split, such as train=0.9,test=0.1; documents are split, by seed and "
        "source page; default: publish.splits of the spec, for the formats of training tools",
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", help="of the splits; default: that of the spec"
    )
    parser.add_argument("--layers", metavar="N,...", help="layers of hidden states, from 0")
    questions.add_tokens(parser)


def run(args: argparse.Namespace) -> Result:
    """Write the export."""
    found = options.opened(args)
    seed, shares = args.seed, _shares(args.splits)
    if found.project is not None:
        seed = found.project.spec.seed if seed is None else seed
        # The splits of the published dataset, where the files are for training.
        if args.splits is None and FORMATS[args.to].training:
            shares = dict(found.project.spec.publish.splits)
    chosen = exporting.Options(
        args.to,
        options.selection(args, args.bands),
        shares,
        seed if shares else None,
        questions.places(args, found),
        _layers(args.layers),
    )
    files = exporting.exported(found, chosen, page.library(args.dataset, "completion.j2"))
    exporting.write(args.out, files)
    manifest = msgspec.json.decode(files[MANIFEST], type=Manifest)
    listed = ", ".join(f"{name} ({size(len(data))})" for name, data in files.items())
    rows = ", ".join(f"{name} {count(n)}" for name, n in manifest.rows.items())
    text = f"export: {folder.shown(args.out)}: {listed}\nprobes: {rows}"
    return Result(text, {"out": str(args.out), **msgspec.to_builtins(manifest)})


def _shares(text: str | None) -> dict[str, float]:
    """Parse the shares of splits.

    Raises:
        UsageError: they are not positive shares that add up to 1.
    """
    found: dict[str, float] = {}
    for part in (text or "").split(",") if text else ():
        name, equals, value = part.strip().partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            equals = ""
        if not equals or not name.isidentifier() or not found.get(name, 0) > 0:
            raise UsageError(f"--splits: {part!r} is not NAME=SHARE", hint="train=0.9,test=0.1")
    if found and abs(sum(found.values()) - 1) > 1e-9:
        raise UsageError(f"--splits: the shares add up to {sum(found.values()):g}, not 1")
    return found


def _layers(text: str | None) -> tuple[int, ...]:
    parts = [each.strip() for each in (text or "").split(",")] if text else []
    if not all(each.isdecimal() for each in parts):
        raise UsageError(f"--layers {text!r} are not layers", hint="whole numbers, as in 9,18,27")
    return tuple(map(int, parts))
