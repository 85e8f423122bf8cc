"""The response with a batch's results, intact or with injected damage."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from compiler.rehearsal.faults import Actions, Truncate
from compiler.rehearsal.http import PIECE, Response

_TYPE = "application/x-jsonl"
_LONG = 5_000_000


def results_response(path: Path, fault: Actions) -> Response:
    """Build the response with a results file, with the fault's transforms and truncation."""
    if not fault.transform and fault.truncate is None:
        return Response(200, _pieces(path), _TYPE, length=path.stat().st_size)
    lines = _transformed(path, fault.transform)
    if fault.truncate is None:
        return Response(200, lines, _TYPE, framing="chunked")
    return _truncated(path, lines, fault.truncate)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def _truncated(path: Path, lines: Iterator[bytes], cut: Truncate) -> Response:
    if cut.lines is not None:
        lines = islice(lines, cut.lines)
    body = lines if cut.bytes is None else _first(lines, cut.bytes)
    # The announced length is one more than the file has.
    length = path.stat().st_size + 1 if cut.mode == "length" else None
    return Response(200, body, _TYPE, framing=cut.mode, length=length, whole=False)


def _first(lines: Iterable[bytes], size: int) -> Iterator[bytes]:
    for line in lines:
        yield line[:size]
        size -= len(line)
        if size <= 0:
            return


def _transformed(path: Path, names: Sequence[str]) -> Iterator[bytes]:
    with path.open("rb") as file:
        count = sum(1 for _ in file)
        file.seek(0)
        order: Iterable[bytes] = file
        if "shuffle" in names:
            # The whole file is in memory, which is fine for the small batches of tests.
            order = reversed(file.readlines())
        conflict = b""
        whole = "long_line" in names or "u2028" in names
        for number, line in enumerate(order):
            last = number == count - 1
            if last and "drop_line" in names:
                break
            if whole and b'"type":"text"' in line:
                line, whole = _damaged(line, names), False
            ending = b"\r\n" if "crlf" in names else b"\n"
            if "drop_canceled" in names and b'"type":"canceled"' in line:
                continue
            line = line.rstrip(b"\n") + ending
            yield line
            if number == 0 and "duplicate" in names:
                yield line
            if number == 0 and "conflict" in names:
                conflict = line.replace(b'"text":"', b'"text":"No: ')
    if "conflict" in names:
        # Last, as it may come long after the first result.
        yield conflict
    if "foreign_line" in names:
        yield b'{"custom_id":"not-yours","result":{"type":"expired"}}\n'
    if "blank_tail" in names:
        yield b"\n"


def _damaged(line: bytes, names: Sequence[str]) -> bytes:
    entry = json.loads(line)
    for block in entry["result"].get("message", {}).get("content", []):
        if block["type"] == "text":
            if "u2028" in names:
                head, space, tail = block["text"].partition(" ")
                block["text"] = f"{head}\u2028{tail}" if space else f"{head}\u2028"
            if "long_line" in names:
                block["text"] += "x" * _LONG
    return json.dumps(entry, ensure_ascii=False).encode()
