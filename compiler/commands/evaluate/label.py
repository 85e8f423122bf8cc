"""`probec evaluate label`: answers for people to score, and the judge's agreement with them."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from compiler.building import folder
from compiler.commands import arguments
from compiler.commands.evaluate import options
from compiler.commands.result import Result
from compiler.engine.store import write_atomic
from compiler.errors import UsageError
from compiler.evaluation import bench, labels, predictions
from compiler.evaluation.labels import Agreed
from compiler.project.reporter import Reporter
from compiler.report import terminal, tree
from compiler.report.numbers import count
from compiler.report.tree import Table

SUMMARY = "write answers for people to score, or compare the judge with their scores"
EXAMPLE = "probec evaluate label specs/demo.yaml --sample 100 --out labels.csv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "predictions",
        nargs="*",
        metavar="NAME=FILE",
        help="predictions whose answers are labelled beside the dataset's blind answers",
    )
    parser.add_argument(
        "--sample",
        type=arguments.at_least_one,
        default=100,
        metavar="N",
        help="answers on the sheet (default: 100)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the sheet, as CSV")
    parser.add_argument(
        "--labels", type=Path, metavar="FILE", help="read the sheet with scores from 0 to 1"
    )
    options.add_paid(parser)


def run(args: argparse.Namespace, reporter: Reporter) -> Result:
    """Write a sheet, or compare the judge with one."""
    if (args.out is None) == (args.labels is None):
        raise UsageError("a sheet is written or read", hint="either --out FILE or --labels FILE")
    found = options.opened(args, answers=True)
    items = options.selection(args, []).of(found.items)
    methods = predictions.read(args.predictions, found)
    answers = labels.answers(items, methods)
    if args.out is not None:
        text = labels.sheet(answers, args.sample)
        write_atomic(args.out, text.encode("utf-8"), "--out")
        kept = min(args.sample, len(answers))
        return Result(
            f"labels: {folder.shown(args.out)} ({count(kept)} of {count(len(answers))} answers); "
            "fill in `score` from 0 to 1, and read it with --labels",
            {"out": str(args.out), "answers": len(answers), "sample": kept},
        )
    labelled, empty = labels.read(args.labels, answers)
    if found.project is None:
        raise UsageError("a judge needs a spec", hint="name it with --spec")
    with bench.opened(
        found.project, reporter, args.max_usd, wait=not args.detach, dry=args.dry_run
    ) as readers:
        verdicts = readers.scores([(each.item, each.text) for each, _ in labelled])
        costs = [cost.text(role) for role, cost in readers.costs.items()]
    if verdicts is None:
        return Result("\n".join(costs), {"costs": [*costs]})
    made = labels.agreed(labelled, verdicts, empty, (found.hard, found.easy))
    return Result(_text(made, costs), {"costs": [*costs], **msgspec.to_builtins(made)})


def _text(made: Agreed, costs: list[str]) -> str:
    measures = made.measures
    table = Table(
        "labels",
        "The judge and people",
        "agreement on the same answers; kappa is weighted quadratically on five bins, alpha is "
        "Krippendorff's, flips are answers in another band, intervals resample documents",
        (tree.word("measure"), tree.value("value")),
        tree.rows(
            (
                ("answers with a label", made.labelled),
                ("documents", made.documents),
                ("without a label", made.unlabelled),
                ("without a verdict", made.unjudged),
                ("mean score by people", made.people),
                ("mean score by the judge", made.judge),
                ("judge less people", made.bias),
                ("correlation", made.correlation),
                ("weighted kappa", measures.kappa),
                ("alpha", measures.alpha),
                ("mean absolute difference", measures.mean_delta),
                ("flips", measures.flips),
            )
        ),
    )
    return "\n\n".join([terminal.render(table), *costs])
