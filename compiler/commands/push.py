"""`probec push`: a built dataset, published on the Hub, at a URL or in a directory."""

from __future__ import annotations

import argparse

from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.project.reporter import Reporter
from compiler.publishing import dataset
from compiler.publishing.push import Options, push
from compiler.spec.root import SUFFIXES

EXAMPLE = "probec push specs/demo.yaml --to hf://datasets/OWNER/demo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the dataset and the target."""
    arguments.add_spec_arguments(parser, metavar="SPEC|DIR")
    parser.add_argument(
        "--to",
        metavar="PLACE",
        help="hf://datasets/OWNER/NAME, an fsspec URL such as s3://bucket/folder, or a directory; "
        "default: publish.to of the spec",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--private",
        action="store_const",
        const=True,
        help="the Hub: create a private repository; an error if it is public",
    )
    shown.add_argument(
        "--public",
        dest="private",
        action="store_const",
        const=False,
        help="the Hub: create a public repository; an error if it is private",
    )
    parser.add_argument(
        "--revision", metavar="BRANCH", help="the Hub: commit to this branch; made if missing"
    )
    parser.add_argument(
        "--pr",
        action="store_true",
        help="the Hub: open a pull request, or continue the one that the last push opened",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would change, and send nothing"
    )


def run(args: argparse.Namespace, reporter: Reporter) -> Result:
    """Check the dataset, and push what the target lacks."""
    if args.spec.suffix in SUFFIXES:
        found = dataset.of_spec(arguments.variant(args))
    else:
        arguments.without_spec(args)
        found = dataset.of_directory(args.spec, args.build_dir)
    options = Options(args.to, args.private, args.revision, args.pr, args.dry_run)
    pushed = push(found, options, reporter.notice)
    return Result(pushed.text(), pushed.data())
