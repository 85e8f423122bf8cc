"""Files sent through an exchange: complete on arrival, sent once, and removed at the end."""

from __future__ import annotations

import pickle
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec import structs

from compiler.building.folder import output_digests
from compiler.engine.execute import execute
from compiler.engine.executors import Bench, Job, Made
from compiler.engine.executors.exchange import Exchange, Exchanged, Outpost
from compiler.engine.remote import Remote
from compiler.engine.store import Store
from compiler.errors import DamagedError, StoreError, UsageError
from tests.engine.works import Doubles, Quiet


@dataclass
class Apart:
    """Two workers in this process, each with a store; jobs reach them pickled."""

    exchange: Exchange
    works: Doubles
    places: tuple[Path, ...]
    jobs: list[Job] = field(default_factory=list)
    ended: bool = False
    # Run before each step, and before its outputs are fetched, to change files of the exchange.
    before: Callable[[Job], None] = lambda job: None
    after: Callable[[Made], None] = lambda made: None

    def run(self, jobs: Iterable[Job]) -> Iterator[Made]:
        """Run the jobs one after another, on the workers in turn."""
        benches = [
            Outpost(Exchange(self.exchange.url), Store(place), self.works.stages())
            for place in self.places
        ]
        for number, job in enumerate(jobs):
            self.before(job)
            self.jobs.append(pickle.loads(pickle.dumps(job)))
            made = benches[number % 2].attempt(self.jobs[-1])
            self.after(made)
            yield made

    def on_every_machine(self, work: Callable[[], None]) -> None:
        """Run the work in this process."""
        pickle.loads(pickle.dumps(work))()

    def close(self) -> None:
        """Record the call."""
        self.ended = True


@dataclass
class Trade:
    """A build whose workers share only an exchange with it."""

    works: Doubles
    url: Path
    apart: Apart
    exchanged: Exchanged
    notices: list[str]

    @property
    def folder(self) -> Path:
        """Return the build's own folder at the exchange."""
        return Path(self.apart.exchange.url)


@pytest.fixture
def trade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trade:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "home").mkdir()
    works, url = Doubles(tmp_path / "home", factor=7), tmp_path / "url"
    graph = works.graph()
    exchange = Exchange.opened(str(url))
    exchange.cache().mkdir()
    apart = Apart(exchange, works, (exchange.cache() / "one", exchange.cache() / "two"))
    notices: list[str] = []
    bench = Bench(graph.store, graph.stages)
    exchanged = Exchanged(exchange, bench, graph.stages, lambda: apart, notices.append)
    return Trade(works, url, apart, exchanged, notices)


def test_steps_on_shards_are_sent_out_and_have_the_outputs_of_a_local_build(
    trade: Trade, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    here = Doubles(tmp_path / "elsewhere", factor=7).graph()
    execute(here, Quiet())
    graph = trade.works.graph()
    outcome = execute(graph, Quiet(), trade.exchanged)

    assert list(output_digests(graph)) == list(output_digests(here))
    assert outcome.ran == {"numbers": 6, "doubles": 6, "total": 1}
    # The source is read here, and steps without parts run here.
    assert {job.stage for job in trade.apart.jobs} == {"doubles"}
    assert str(tmp_path / "home") not in str(trade.apart.jobs)
    assert execute(trade.works.graph(), Quiet()).up_to_date


def test_a_file_is_sent_once_and_removed(trade: Trade, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: Counter[str] = Counter()
    whole = Remote.send
    monkeypatch.setattr(
        Remote, "send", lambda self, name, path: (sent.update([name]), whole(self, name, path))
    )
    execute(trade.works.graph(), Quiet(), trade.exchanged)

    # The double of 0 equals a file that was sent before.
    assert len(sent) == 11
    assert set(sent.values()) == {1}
    assert not trade.folder.exists()
    assert not trade.apart.exchange.cache().exists()
    assert trade.apart.ended
    assert trade.notices == []


def test_workers_are_started_only_when_a_step_must_run(trade: Trade) -> None:
    execute(trade.works.graph(), Quiet())

    assert execute(trade.works.graph(), Quiet(), trade.exchanged).up_to_date
    assert not trade.url.exists()
    assert not trade.apart.ended


def damage(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("way", ["to a worker", "back"])
def test_a_damaged_file_is_found_and_named_in_both_directions(trade: Trade, way: str) -> None:
    named: list[str] = []

    def before(job: Job) -> None:
        if job.part == (3,) and way == "to a worker":
            named.extend(job.names.values())
            damage(trade.folder / named[0])

    def after(made: Made) -> None:
        if made.job.part == (3,) and way == "back":
            named.extend(made.names.values())
            damage(trade.folder / named[0])

    trade.apart.before, trade.apart.after = before, after
    with pytest.raises(DamagedError, match="not the one that was sent") as caught:
        execute(trade.works.graph(), Quiet(), trade.exchanged)
    graph = trade.works.graph()
    outcome = execute(graph, Quiet())

    assert caught.value.where == f"{trade.folder}/{named[0]}"
    assert "run the same command again" in (caught.value.hint or "")
    assert ("worker at step doubles 3" in caught.value.message) == (way == "to a worker")
    # Steps committed before the damage are kept; later ones are not recorded.
    assert outcome.ran == {"numbers": 0, "doubles": 3, "total": 1}
    assert not trade.folder.exists()


def test_a_file_missing_at_the_exchange_is_named(trade: Trade) -> None:
    trade.apart.before = lambda job: Path(trade.folder, *job.names.values()).unlink()
    with pytest.raises(StoreError, match=r"worker at step doubles 0: .*not at the exch") as e:
        execute(trade.works.graph(), Quiet(), trade.exchanged)

    assert "same permissions, credentials and extras" in (e.value.hint or "")


def test_a_worker_that_reports_a_wrong_size_is_rejected(trade: Trade) -> None:
    def after(made: Made) -> None:
        assert made.outputs is not None
        (artifact,) = made.outputs.values()
        structs.force_setattr(artifact, "bytes", artifact.bytes + 1)

    trade.apart.after = after
    with pytest.raises(DamagedError, match="another size or path"):
        execute(trade.works.graph(), Quiet(), trade.exchanged)


def test_a_worker_of_another_version_is_rejected(trade: Trade) -> None:
    trade.apart.works = Doubles(trade.works.root, factor=8)
    with pytest.raises(StoreError, match="a worker has another version of this stage"):
        execute(trade.works.graph(), Quiet(), trade.exchanged)


def test_files_that_cannot_be_removed_are_reported(
    trade: Trade, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Remote) -> None:
        raise StoreError("no right to delete")

    monkeypatch.setattr(Remote, "remove", refuse)
    execute(trade.works.graph(), Quiet(), trade.exchanged)

    (notice,) = trade.notices
    assert "no right to delete" in notice
    assert f"{trade.folder} is safe to delete" in notice


@pytest.mark.parametrize("url", ["nonsense://bucket", "s3x://bucket/folder"])
def test_an_unknown_url_scheme_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError, match="not a directory or URL that fsspec can open") as caught:
        Exchange.opened(url)

    assert "s3://bucket/folder" in (caught.value.hint or "")


def test_a_failed_transfer_has_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="the transfer failed") as caught:
        Exchange.opened(str(tmp_path / "file")).send_bytes(b"kit")

    assert "credentials" in (caught.value.hint or "")
