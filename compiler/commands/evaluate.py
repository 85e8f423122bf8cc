"""`probec evaluate`: questions for a method, controls, and the method's scores."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.engine.store import write_atomic
from compiler.errors import UsageError
from compiler.evaluation import questions, subject
from compiler.evaluation.questions import Places
from compiler.evaluation.subject import Selection, Subject
from compiler.probes import tokens
from compiler.project.variant import Variant
from compiler.report.numbers import count, size
from compiler.spec.root import SUFFIXES

ACTIONS: Mapping[str, str] = {
    "questions": "write what a method may see of each probe, without any answer",
}
EXAMPLES: Mapping[str, str] = {
    "questions": "probec evaluate questions specs/demo.yaml --out questions.jsonl",
}
EXAMPLE = EXAMPLES["questions"]


def add_arguments(parser: argparse.ArgumentParser, action: str) -> None:
    """Add the options of an action."""
    _add_dataset(parser)
    _ADD[action](parser)


def run(args: argparse.Namespace) -> Result:
    """Run an action."""
    return _RUN[args.action](args)


def _add_dataset(parser: argparse.ArgumentParser) -> None:
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


def _add_questions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bands",
        action="append",
        default=[],
        choices=subject.BANDS[1:],
        help="only probes in this band; repeatable",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("questions.jsonl"), metavar="FILE",
        help="default: questions.jsonl",
    )  # fmt: skip
    parser.add_argument(
        "--tokens", action="store_true", help="add token ids and position by the source tokenizer"
    )
    parser.add_argument(
        "--tokenizer",
        metavar="NAME",
        help="add them by this tokenizer: a Hub name or the path of a tokenizer.json",
    )
    parser.add_argument(
        "--bos",
        metavar="ID",
        help="token id that stands first, or `none`; default: the tokenizer's own rule",
    )
    parser.add_argument(
        "--choices",
        action="store_true",
        help="add the true and a false answer in random order, for scoring by logprobs",
    )


def _questions(args: argparse.Namespace) -> Result:
    found = _subject(args)
    places = _places(args, found)
    head, data = questions.written(
        found, _selection(args, args.bands), places, choices=args.choices
    )
    write_atomic(args.out, data, "--out")
    lines = [f"questions: {args.out} ({count(head.rows)} probes, {size(len(data))})"]
    if head.on_boundary is not None:
        lines.append(
            f"tokens of {head.tokenizer}: {count(head.on_boundary)} of {count(head.rows)} splits "
            "have the tokens of the whole document before them"
        )
    lines.append(f"dataset digest, which predictions repeat: {head.dataset}")
    return Result("\n".join(lines), {"out": str(args.out), **msgspec.to_builtins(head)})


def _subject(args: argparse.Namespace) -> Subject:
    spec = args.dataset if args.dataset.suffix in SUFFIXES and args.spec is None else args.spec
    if spec is None and args.overrides:
        raise UsageError("--set changes a spec, and none is named", hint="name it with --spec")
    variant = Variant(spec, tuple(args.overrides), build_dir=args.build_dir) if spec else None
    return subject.open_subject(args.dataset, variant, None, None)


def _selection(args: argparse.Namespace, bands: list[str]) -> Selection:
    return Selection(tuple(args.scope), tuple(bands), args.docs)


def _places(args: argparse.Namespace, found: Subject) -> Places | None:
    name = args.tokenizer or (found.source_tokenizer if args.tokens else None)
    if name is None:
        if args.bos is not None:
            raise UsageError("--bos goes with token ids", hint="add --tokens or --tokenizer NAME")
        return None
    if not name:
        raise UsageError(
            "the source tokenizer is known from a spec only", hint="name it with --tokenizer"
        )
    root = found.project.root if found.project is not None else Path()
    file = tokens.find(name, root, online=True)
    assert file is not None
    return Places(tokens.load(file), _bos(args.bos))


def _bos(text: str | None) -> tuple[int, ...] | None:
    if text is None or text == "none":
        return None if text is None else ()
    if not text.isdecimal():
        raise UsageError(f"--bos {text!r} is not a token id", hint="a whole number, or `none`")
    return (int(text),)


_ADD: Mapping[str, Callable[[argparse.ArgumentParser], None]] = {"questions": _add_questions}
_RUN: Mapping[str, Callable[[argparse.Namespace], Result]] = {"questions": _questions}
