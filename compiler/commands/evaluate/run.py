"""`probec evaluate run`: text-only controls, and blind scores of a probe file again."""

from __future__ import annotations

import argparse
from pathlib import Path

from compiler.building import folder
from compiler.commands import arguments
from compiler.commands.evaluate import options
from compiler.commands.result import Result
from compiler.engine.store import write_atomic
from compiler.errors import UsageError
from compiler.evaluation import bench, reading, rescoring, subject
from compiler.evaluation.bench import Bench
from compiler.evaluation.reading import Read
from compiler.evaluation.subject import Subject
from compiler.project.reporter import Reporter
from compiler.report.numbers import count

SUMMARY = "run a text-only control, or score a probe file again"
EXAMPLE = "probec evaluate run specs/demo.yaml text --provider extractive"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("name", metavar="NAME", help="of the reader; names the file it writes")
    parser.add_argument(
        "--provider", metavar="NAME", help="of the answerer; default: that of the spec"
    )
    parser.add_argument("--model", metavar="NAME", help="of the answerer; default: as in the spec")
    parser.add_argument(
        "--rollouts",
        type=arguments.at_least_one,
        metavar="K",
        help="answers per probe; default: 1, with --rescore that of the spec",
    )
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument(
        "--fresh",
        type=arguments.at_least_one,
        metavar="N",
        help="N more answers of the dataset's own blind reader to probes in --bands (default: "
        "hard), as a baseline without their selection",
    )
    kinds.add_argument(
        "--rescore",
        action="store_true",
        help="write a copy of the rows with new blind answers and scores",
    )
    kinds.add_argument(
        "--logprobs",
        metavar="URL",
        help="score the true and the wrong answer by a completions server; needs --model",
    )
    parser.add_argument(
        "--bands",
        action="append",
        default=[],
        choices=subject.BANDS[1:],
        help="only probes in this band; repeatable",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="default: NAME beside the dataset's evaluations"
    )
    options.add_paid(parser)


def run(args: argparse.Namespace, reporter: Reporter) -> Result:
    """Run a reader, and write its predictions or the copy of the rows."""
    if Path(args.name).name != args.name:
        raise UsageError(f"{args.name!r} is not a name", hint="a file is named with --out")
    found = options.opened(args)
    if args.rescore and (args.scope or args.docs or args.bands):
        raise UsageError("--rescore copies all rows", hint="leave --scope, --docs, --bands out")
    if args.fresh and (args.provider or args.model or args.rollouts):
        raise UsageError(
            "--fresh samples the dataset's own answerer N times",
            hint="leave --provider, --model and --rollouts out",
        )
    if args.logprobs and (args.provider or args.rollouts or not args.model):
        raise UsageError(
            "--logprobs needs the name of the server's model, and has one result per probe",
            hint="add --model NAME, leave --provider and --rollouts out",
        )
    project = options.readers(args, found)
    with bench.opened(
        project, reporter, args.max_usd, wait=not args.detach, dry=args.dry_run
    ) as readers:
        made = _rescored(args, found, readers) if args.rescore else _read(args, found, readers)
        costs = [cost.text(role) for role, cost in readers.costs.items()]
    if made is None:
        return Result("\n".join(costs), {"costs": [*costs]})
    data, lines = made
    ending = "parquet" if args.rescore else "jsonl"
    out = args.out or options.evaluations(args, found) / f"{args.name}.{ending}"
    write_atomic(out, data, "--out")
    text = "\n".join([*lines, *costs, f"written: {folder.shown(out)}"])
    return Result(text, {"out": str(out), "costs": [*costs], "lines": [*lines]})


def _read(
    args: argparse.Namespace, found: Subject, readers: Bench
) -> tuple[bytes, list[str]] | None:
    if args.fresh:
        chosen = options.selection(args, args.bands or ["hard"])
        made = reading.fresh(found, chosen, readers, args.fresh)
    elif args.logprobs:
        chosen = options.selection(args, args.bands)
        made = reading.compared(found, chosen, readers, args.logprobs, args.model)
    else:
        chosen = options.selection(args, args.bands)
        made = reading.answered(found, chosen, readers, args.rollouts or 1)
    return (made.data, [_counted(made)]) if made is not None else None


def _counted(made: Read) -> str:
    missing = f", {count(made.missing)} without an answer" if made.missing else ""
    return f"predictions: {count(made.rows)}{missing}"


def _rescored(
    args: argparse.Namespace, found: Subject, readers: Bench
) -> tuple[bytes, list[str]] | None:
    rollouts = args.rollouts or readers.project.spec.scoring.rollouts
    made = rescoring.rescored(found, readers, rollouts)
    if made is None:
        return None
    listed = ", ".join(f"{name} {count(n)}" for name, n in sorted(made.statuses.items()))
    return made.data, [f"rows by status: {listed}"]
