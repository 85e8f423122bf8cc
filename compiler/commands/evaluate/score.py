"""`probec evaluate score`: predictions scored, compared and shown."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from compiler.building import folder
from compiler.commands.evaluate import options
from compiler.commands.result import Result
from compiler.errors import UsageError
from compiler.evaluation import bench, contrast, page, predictions, record, sections, subject
from compiler.evaluation.record import Options
from compiler.evaluation.results import Evaluation
from compiler.evaluation.scoring import Rules
from compiler.evaluation.subject import Subject
from compiler.probes import tokens
from compiler.probes.tokens import Tokenizer
from compiler.project.reporter import Reporter
from compiler.report import terminal
from compiler.report.screen import Screen

SUMMARY = "score predictions: latent gain over controls, differences, a page"
EXAMPLE = "probec evaluate score specs/demo.yaml mine=predictions.jsonl text=text.jsonl"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "predictions",
        nargs="*",
        metavar="NAME=FILE",
        help="predictions of a method, JSON Lines or parquet; files of one name are joined",
    )
    parser.add_argument(
        "--bands",
        action="append",
        default=[],
        choices=subject.BANDS,
        help="report this band; repeatable; default: all, hard and easy",
    )
    parser.add_argument(
        "--baseline", default="", metavar="NAME", help="compare every method with this one only"
    )
    parser.add_argument(
        "--normalise",
        choices=contrast.NORMALISATIONS,
        help="of contrastive wins; default: pmi if all methods have shuffled log probabilities, "
        "else sum",
    )
    parser.add_argument(
        "--missing",
        choices=("zero", "drop"),
        default="zero",
        help="count a missing prediction as 0 (default), or leave its probe out",
    )
    parser.add_argument(
        "--tokenizer",
        action="append",
        default=[],
        metavar="NAME",
        help="a tokenizer that lens atoms are cut by, if no spec names it; repeatable",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="default: evaluations/ of the build directory"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="DATASET is the directory of an evaluation: compute every number again; exit 1 if one "
        "differs",
    )
    options.add_paid(parser)


def run(args: argparse.Namespace, reporter: Reporter) -> Result:
    """Score the predictions, or check an evaluation."""
    if args.check:
        return _check(args.dataset)
    if not args.predictions:
        raise UsageError("no predictions are named", hint=EXAMPLE)
    found = options.opened(args)
    items = options.selection(args, []).of(found.items)
    methods = predictions.read(args.predictions, found)
    bands = tuple(args.bands) or ("all", "hard", "easy")
    chosen = Options(bands, args.baseline, args.normalise, args.missing == "drop")
    cutters = _tokenizers(args.tokenizer, found)
    if found.project is None:
        made = record.make(found, items, methods, Rules(None, cutters), chosen)
        costs: list[str] = []
    else:
        with bench.opened(
            found.project, reporter, args.max_usd, wait=not args.detach, dry=args.dry_run
        ) as readers:
            made = record.make(found, items, methods, Rules(readers, cutters), chosen)
            costs = [cost.text(role) for role, cost in readers.costs.items()]
    if made is None:
        return Result("\n".join(costs), {"costs": [*costs]})
    out = args.out or options.evaluations(args, found)
    record.write(out, made, page.render(page.library(args.dataset), made))
    return _scored(out, made.evaluation, costs, args.screen)


def _scored(out: Path, made: Evaluation, costs: list[str], screen: Screen) -> Result:
    parts = [terminal.render(table, screen) for table in sections.summary(made)]
    notes = [f"WARNING: {each}" for each in made.results.warnings]
    notes += [f"note: {each}" for each in (*made.facts, *made.results.notes)]
    files = f"evaluation: {folder.shown(out)} ({record.RECORD}, {record.SCORES}, {record.PAGE})"
    text = "\n\n".join([*parts, "\n".join(map(screen.wrapped, notes)), "\n".join([*costs, files])])
    return Result(text, {"out": str(out), "costs": [*costs], **msgspec.to_builtins(made)})


def _check(path: Path) -> Result:
    found = record.differences(path)
    text = "\n".join(found) or f"{folder.shown(path)}: every number follows from its scores"
    return Result(text, {"differences": [*found]}, int(bool(found)))


def _tokenizers(named: list[str], found: Subject) -> dict[str, Tokenizer]:
    files = found.project.tokenizer_files() if found.project is not None else {}
    root = found.project.root if found.project is not None else Path()
    for name in named:
        file = tokens.find(name, root, online=True)
        assert file is not None
        files[file.identity] = file
    wanted = found.items.named("tokenizer").occurring()
    return {name: tokens.load(file) for name, file in files.items() if name in wanted}
