"""Our client with third-party servers, and third-party clients with our server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from compiler.keys import Json
from compiler.llm.batches.clock import Pace, WallClock
from compiler.llm.batches.journal import Journal
from compiler.llm.batches.shards import BatchSettings, Limits
from compiler.llm.batches.states import Event, State
from compiler.llm.dispatch import Dispatcher
from compiler.llm.messages import Outcome, Purpose, Request
from compiler.llm.providers import Settings, provider
from compiler.llm.purse import Purse
from compiler.llm.responses import ResponseLog
from compiler.rehearsal.process import Rehearsal
from tests.interop.conftest import got, program, ran
from tests.llm.desk import MODEL, RATE
from tests.llm.parts import Watcher

COUNT, SAMPLES = 12, 2
ASKED = 5


class Clock(WallClock):
    """A clock that runs a callback whenever the client waits."""

    def __init__(self, meanwhile: Callable[[Journal], None], journal: Journal) -> None:
        self._meanwhile = meanwhile
        self._journal = journal

    def sleep(self, seconds: float, woken: Callable[[], bool] = lambda: False) -> None:
        self._meanwhile(self._journal)
        super().sleep(seconds, woken)


def nothing(_: Journal) -> None:
    """Wait without a side effect."""


def completes(
    base_url: str, folder: Path, meanwhile: Callable[[Journal], None] = nothing
) -> Journal:
    """Check that every sample of every request is answered, in one batch and a live request."""
    journal = Journal(folder / "batches")
    limits, pace = Limits(100_000, 250_000_000, 200_000), Pace(0.5, 1.0, wait=True)
    travel = BatchSettings(journal, limits, pace, Clock(meanwhile, journal), Watcher())
    purse, log = Purse(100.0), ResponseLog(folder / "responses.sqlite")
    purpose = Purpose("test", "answerer", 0, "anthropic-batch", MODEL, RATE, 0.001)
    asker = provider("anthropic-batch", Settings(base_url, 4, 600.0, purse, travel))
    dispatcher = Dispatcher(asker, log, purse, purpose, lambda *_: None)
    requests = [
        Request(MODEL, "Answer.", f"What did ship {number} do?", 800, None)
        for number in range(COUNT)
    ]
    for request in requests:
        dispatcher.want(request, range(SAMPLES), 0, "")
    dispatcher.settle()

    keys = [key for each in requests for key in dispatcher.keys(each, range(SAMPLES))]
    replies = [dispatcher.reply(key) for key in keys]
    assert len(log) == len(set(keys)) == COUNT * SAMPLES
    assert all(reply.outcome is Outcome.OK and reply.text for reply in replies)
    assert all(reply.input_tokens and reply.output_tokens for reply in replies)
    (shard,) = journal.shards()
    assert (shard.state, shard.n, shard.sends) == (State.APPLIED, COUNT * SAMPLES - 1, 1)
    kinds = [kind for _, _, kind, _ in journal.events()]
    assert kinds == [*(Event.INTENT, Event.ACCEPTED, Event.ENDED, Event.DOWNLOADED, Event.APPLIED)]
    log.close()
    return journal


def listed(port: int, prefix: str = "") -> list[tuple[str, int]]:
    """List the batches that a server reports, with their sizes."""
    status, body = got(port, f"{prefix}/v1/messages/batches?limit=20")
    assert status == 200
    return [
        (batch["id"], sum(batch["request_counts"].values())) for batch in json.loads(body)["data"]
    ]


def test_our_client_completes_against_llmock(llmock: int, tmp_path: Path) -> None:
    journal = completes(f"http://127.0.0.1:{llmock}/anthropic", tmp_path)
    (shard,) = journal.shards()

    assert listed(llmock, "/anthropic") == [(shard.batch_id, shard.n)]
    journal.close()


def test_our_client_completes_against_mock_ai_api(mock_ai_api: int, tmp_path: Path) -> None:
    def somebody_fetches(journal: Journal) -> None:
        # The server ends a batch only after its results were fetched once, and a client that waits
        # for the end never fetches them, so another reader does.
        for shard in journal.shards((State.IN_PROGRESS,)):
            status, _ = got(mock_ai_api, f"/v1/messages/batches/{shard.batch_id}/results")
            assert status == 200

    journal = completes(f"http://127.0.0.1:{mock_ai_api}", tmp_path, somebody_fetches)
    (shard,) = journal.shards()

    assert listed(mock_ai_api) == [(shard.batch_id, shard.n)]
    journal.close()


def served(server: Rehearsal) -> None:
    """Check that the server answered one batch of that many requests, each of them once."""
    ledger = server.ledger()
    (batch,) = cast(list[dict[str, Json]], ledger["batches"])
    assert (batch["status"], batch["n"], batch["billed_requests"]) == ("ended", ASKED, ASKED)
    assert [*cast(dict[str, int], ledger["answered"]).values()] == [1] * ASKED
    assert (ledger["posts"], ledger["messages"]) == (1, 0)


def test_steadybatch_completes_against_our_server(tmp_path: Path) -> None:
    python = program("steadybatch", "python")
    script = Path(__file__).with_name("steadybatch_client.py")
    with Rehearsal.start(tmp_path / "server", latency=0.5, echo=True) as server:
        out = ran([python, str(script), server.base_url, str(ASKED)], tmp_path)
        served(server)
    report = json.loads(out.splitlines()[-1])

    assert report["batches"] == 1
    assert report["results"] == {f"row-{number}": ["ok", "0.5"] for number in range(ASKED)}


def test_promptbatch_completes_against_our_server(tmp_path: Path) -> None:
    tool = program("promptbatch", "promptbatch")
    (tmp_path / "in").mkdir()
    for number in range(ASKED):
        (tmp_path / "in" / f"row-{number}.txt").write_text(f"Item {number}", encoding="utf-8")
    (tmp_path / "task.md").write_text(
        f'+++\nmodel = "{MODEL}"\nmax_tokens = 256\nextensions = [".txt"]\n+++\n'
        "Answer briefly.\n---prompt---\n{{name}}: {{content}}\n",
        encoding="utf-8",
    )
    with Rehearsal.start(tmp_path / "server", latency=0.5, echo=True) as server:
        where = {"ANTHROPIC_BASE_URL": server.base_url}
        ran([tool, "batch", "submit", "task.md", "in", "-o", "out"], tmp_path, **where)
        deadline = time.monotonic() + 60
        while "ended" not in ran([tool, "batch", "status", "out"], tmp_path, **where):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        ran([tool, "batch", "collect", "task.md", "out"], tmp_path, **where)
        served(server)
    found = {path.stem: path.read_text(encoding="utf-8") for path in tmp_path.glob("out/*.txt")}

    assert {name: text.strip() for name, text in found.items()} == {
        f"row-{number}": "0.5" for number in range(ASKED)
    }
