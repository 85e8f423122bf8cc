"""Options and objects that the actions of `probec evaluate` share."""

from __future__ import annotations

import argparse
from pathlib import Path

from compiler.commands import arguments
from compiler.errors import UsageError
from compiler.evaluation import subject
from compiler.evaluation.items import Selection
from compiler.evaluation.subject import Subject
from compiler.project import opening
from compiler.project.project import Project
from compiler.project.variant import Variant
from compiler.spec.root import SUFFIXES


def add_dataset(parser: argparse.ArgumentParser) -> None:
    """Add the dataset, the spec of its readers, and the selection of probes."""
    parser.add_argument(
        "dataset",
        type=Path,
        metavar="DATASET",
        help="a built spec, a dataset directory, or any probe parquet",
    )
    parser.add_argument(
        "--spec",
        type=Path,
        metavar="SPEC",
        help="for a directory or file: the spec whose judge, answerer and prompts are used",
    )
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="override one value of the spec, such as models.judge.prompt=judge/strict",
    )
    parser.add_argument(
        "--build-dir", type=Path, metavar="DIR", help="default: build/ of the project"
    )
    parser.add_argument(
        "--scope", action="append", default=[], metavar="NAME", help="only this scope; repeatable"
    )
    parser.add_argument(
        "--docs",
        type=arguments.at_least_one,
        default=0,
        metavar="N",
        help="only N documents with all of their probes, chosen deterministically",
    )


def add_paid(parser: argparse.ArgumentParser) -> None:
    """Add the budget, and how requests are sent."""
    parser.add_argument(
        "--max-usd",
        type=arguments.usd,
        metavar="USD",
        help="a ceiling for this run, if lower than the spec's budget.max_usd",
    )
    parser.add_argument(
        "--detach",
        action="store_true",
        help="send batches and exit 75 instead of waiting; run again to collect",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="count and price the requests, and send none"
    )


def opened(args: argparse.Namespace, *, answers: bool = False) -> Subject:
    """Read the dataset that the options name. `answers`: with those of the blind reader."""
    return subject.open_subject(args.dataset, _variant(args), None, None, answers=answers)


def readers(args: argparse.Namespace, found: Subject) -> Project:
    """Open the project whose readers are asked, with the answerer of the options.

    Raises:
        UsageError: no spec is named.
    """
    variant = _variant(args)
    if variant is None or found.project is None:
        raise UsageError(
            "a reader needs a spec, for its prompts, budget and response log",
            hint="name it with --spec",
        )
    overrides = []
    if args.provider is not None:
        overrides += opening.provided("answerer", args.provider)
    if args.model is not None and not args.logprobs:
        overrides.append(f"models.answerer.model={args.model}")
    return opening.project(variant.adding(*overrides)) if overrides else found.project


def _variant(args: argparse.Namespace) -> Variant | None:
    """Return the spec that provides readers; None without one."""
    spec = args.dataset if args.dataset.suffix in SUFFIXES and args.spec is None else args.spec
    if spec is None and args.overrides:
        raise UsageError("--set changes a spec, and none is named", hint="name it with --spec")
    return Variant(spec, tuple(args.overrides), build_dir=args.build_dir) if spec else None


def selection(args: argparse.Namespace, bands: list[str]) -> Selection:
    """Return the selection of probes from the options."""
    return Selection(tuple(args.scope), tuple(bands), args.docs)


def evaluations(args: argparse.Namespace, found: Subject) -> Path:
    """Return the directory of a dataset's evaluations."""
    if found.project is not None:
        build = found.project.store.root
    else:
        build = args.build_dir or Path("build")
    return build / "evaluations" / found.folder
