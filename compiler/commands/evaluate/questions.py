"""`probec evaluate questions`: what a method may see of each probe."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from compiler.commands.evaluate import options
from compiler.commands.result import Result
from compiler.engine.store import write_atomic
from compiler.errors import UsageError
from compiler.evaluation import questions, subject
from compiler.evaluation.questions import Places
from compiler.evaluation.subject import Subject
from compiler.probes import tokens
from compiler.project.reporter import Reporter
from compiler.report.numbers import count, size

SUMMARY = "write what a method may see of each probe, without any answer"
EXAMPLE = "probec evaluate questions specs/demo.yaml --out questions.jsonl"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
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
    add_tokens(parser)
    parser.add_argument(
        "--choices",
        action="store_true",
        help="add the true and a false answer in random order, for scoring by logprobs",
    )


def add_tokens(parser: argparse.ArgumentParser) -> None:
    """Add the tokenizer of the hidden state's text."""
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


def run(args: argparse.Namespace, reporter: Reporter) -> Result:
    """Write the questions."""
    found = options.opened(args)
    where = places(args, found)
    head, data = questions.written(
        found, options.selection(args, args.bands), where, choices=args.choices
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


def places(args: argparse.Namespace, found: Subject) -> Places | None:
    """Return the tokenizer of the options; None if no tokens are requested.

    Raises:
        UsageError: the options contradict one another.
    """
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
