"""The incremental builder alone: a pipeline of counters, without probes and models."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from compiler.engine.artifact import Artifact
from compiler.engine.execute import Outcome, execute
from compiler.engine.explain import changes
from compiler.engine.lock import locked
from compiler.engine.plan import Graph, State
from compiler.engine.stage import Inputs, Outputs, Part, Stage, Unsettled
from compiler.engine.store import Manifest, Store
from compiler.errors import BusyError, StoreError
from compiler.keys import Json, digest
from tests.strategies import json_values


@dataclass(frozen=True)
class Number:
    value: int


class Quiet:
    def stage_started(self, stage: str, steps: int, stale: int) -> None: ...

    def step_done(self, stage: str, part: str, seconds: float) -> None: ...


@dataclass
class Works:
    """numbers (one per leaf) -> halves (value // factor) -> total (one for all)."""

    store: Store
    values: dict[Part, int]
    factor: int = 2
    version: int = 1
    ran: list[str] = field(default_factory=list)
    fail_at: str = ""

    def graph(self) -> Graph:
        return Graph(
            "works", self.store, [self.numbers(), self.halves(), self.total()], [*self.values]
        )

    def _note(self, name: str, part: Part) -> None:
        step = f"{name}{part}"
        if step == self.fail_at:
            raise RuntimeError(step)
        self.ran.append(step)

    def numbers(self) -> Stage:
        def run(part: Part, inputs: Inputs, out: Outputs) -> None:
            self._note("numbers", part)
            out.rows("value", [Number(self.values[part])])

        def narrow(part: Part, inputs: Inputs) -> Mapping[str, Json]:
            return {"value": self.values[part]}

        return Stage("numbers", 1, 2, (), None, run, narrow=narrow)

    def halves(self) -> Stage:
        def run(part: Part, inputs: Inputs, out: Outputs) -> None:
            self._note("halves", part)
            (number,) = inputs.rows("numbers.value", Number)
            out.rows("half", [Number(number.value // self.factor)])

        return Stage("halves", self.version, 2, ("numbers.value",), {"factor": self.factor}, run)

    def total(self) -> Stage:
        def run(part: Part, inputs: Inputs, out: Outputs) -> None:
            self._note("total", part)
            out.rows("sum", [Number(sum(n.value for n in inputs.rows("halves.half", Number)))])

        return Stage("total", 1, 0, ("halves.half",), None, run)

    def build(self) -> Outcome:
        self.ran.clear()
        return execute(self.graph(), Quiet())

    def result(self) -> int:
        graph = self.graph()
        graph.plan()
        manifest = graph.manifest("total")
        assert manifest is not None
        (found,) = self.store.rows(manifest.outputs["sum"], Number)
        return found.value


@pytest.fixture
def works(tmp_path: Path) -> Works:
    return Works(Store(tmp_path / "build"), {(0, 0): 10, (0, 1): 20, (1, 0): 30})


def test_a_build_runs_every_step_once_and_a_second_one_none(works: Works) -> None:
    assert works.build().up_to_date is False
    assert len(works.ran) == 7
    assert works.result() == 30

    assert works.build().up_to_date is True
    assert works.ran == []


def test_a_changed_leaf_runs_only_what_depends_on_it(works: Works) -> None:
    works.build()
    works.values[0, 1] = 40
    works.build()

    assert works.ran == ["numbers(0, 1)", "halves(0, 1)", "total()"]
    assert works.result() == 40


def test_equal_content_stops_the_rebuild(works: Works) -> None:
    """Cover early cutoff: 20 and 21 have the same half, so the total is not computed again."""
    works.build()
    works.values[0, 1] = 21
    works.build()

    assert works.ran == ["numbers(0, 1)", "halves(0, 1)"]


def test_a_new_part_does_not_rerun_the_others(works: Works) -> None:
    works.build()
    works.values[1, 1] = 8
    works.build()

    assert works.ran == ["numbers(1, 1)", "halves(1, 1)", "total()"]


def test_a_reverted_change_finds_the_old_results(works: Works) -> None:
    works.build()
    works.factor = 5
    works.build()
    works.factor = 2
    works.build()

    assert works.ran == []


def test_the_plan_names_the_changed_field(works: Works) -> None:
    works.build()
    works.factor, works.version = 3, 2
    planned = {str(each.step): each for each in works.graph().plan()}

    assert planned["numbers 0.0"].state is State.FRESH
    halves = planned["halves 0.0"]
    assert halves.state is State.STALE
    assert [str(c) for c in halves.changes] == ["params.factor: 2 -> 3", "version: 1 -> 2"]
    total = planned["total all"]
    assert total.state is State.WAITS
    assert total.reason == "after halves 0.0 and 2 more"
    assert works.build().ran == {"numbers": 0, "halves": 3, "total": 1}


def test_a_failed_step_keeps_the_finished_ones(works: Works) -> None:
    works.fail_at = "halves(0, 1)"
    with pytest.raises(RuntimeError):
        works.build()
    works.fail_at = ""
    works.build()

    assert works.ran == ["halves(0, 1)", "halves(1, 0)", "total()"]
    assert not list((works.store.root / "objects" / "tmp").iterdir())


def test_a_step_with_a_missing_output_runs_again(works: Works) -> None:
    works.build()
    graph = works.graph()
    graph.plan()
    manifest = graph.manifest("halves", (0, 0))
    assert manifest is not None
    works.store.path(manifest.outputs["half"]).unlink()

    assert [e.reason for e in works.graph().plan() if e.state is State.STALE] == [
        "its outputs are missing or incomplete"
    ]
    works.build()
    assert works.ran == ["halves(0, 0)"]


def test_a_damaged_file_is_named(works: Works) -> None:
    works.build()
    graph = works.graph()
    graph.plan()
    manifest = graph.manifest("total")
    assert manifest is not None
    path = works.store.path(manifest.outputs["sum"])
    path.write_bytes(b"x" * path.stat().st_size)

    with pytest.raises(StoreError, match=r"damaged"):
        list(works.store.rows(manifest.outputs["sum"], Number))


@dataclass(frozen=True)
class Measured:
    """A Number with an added field."""

    value: int
    unit: str


def test_rows_of_another_schema_are_reported_with_their_stage_and_not_as_damage(
    works: Works,
) -> None:
    works.build()
    graph = works.graph()
    graph.plan()
    manifest = graph.manifest("halves", (0, 0))
    assert manifest is not None
    artifact = manifest.outputs["half"]

    with pytest.raises(StoreError) as found:
        list(works.store.rows(artifact, Measured))
    assert found.value.message == (
        "the rows that stage halves, version 1, stored have another shape than this version of "
        "the compiler declares: Object missing required field `unit` - at `$[0]`"
    )
    assert "raise VERSION of that stage" in str(found.value.hint)
    assert found.value.where == str(works.store.path(artifact))


def test_a_single_row_of_another_schema_names_every_stage_that_stored_it(works: Works) -> None:
    framed = works.store.write_rows([Number(1), Number(2)], frame_rows=1)
    for stage, version in (("numbers", 1), ("numbers", 2)):
        preimage: dict[str, object] = {"stage": stage, "version": version}
        key = digest("step", preimage)
        works.store.commit(Manifest(key, preimage, {"value": framed}, 0.0))

    with pytest.raises(StoreError, match="version 1, and stage numbers, version 2, stored"):
        list(works.store.rows_at(framed, [1], Measured))


def test_altered_rows_are_damage_and_not_another_schema(works: Works) -> None:
    works.build()
    graph = works.graph()
    graph.plan()
    manifest = graph.manifest("total")
    assert manifest is not None
    path = works.store.path(manifest.outputs["sum"])
    path.write_bytes(zstandard.ZstdCompressor().compress(b'{"other":30}\n'))

    with pytest.raises(StoreError, match="a stored file is damaged: Object missing required field"):
        list(works.store.rows(manifest.outputs["sum"], Number))


def test_settle_comes_after_every_prepare_and_before_every_run(tmp_path: Path) -> None:
    said: list[str] = []

    def run(part: Part, inputs: Inputs, out: Outputs) -> None:
        if "settle" not in said:
            raise Unsettled
        said.append(f"run {part[0]}")

    stage = Stage(
        "ask",
        1,
        1,
        (),
        None,
        run=run,
        narrow=lambda part, inputs: {"part": part[0]},
        prepare=lambda part, inputs: said.append(f"prepare {part[0]}"),
        settle=lambda: said.append("settle"),
    )
    graph = Graph("b", Store(tmp_path), [stage], [(0,), (1,)])
    execute(graph, Quiet())

    assert said == ["prepare 0", "prepare 1", "settle", "run 0", "run 1"]


def test_a_step_that_has_all_its_replies_is_not_prepared(tmp_path: Path) -> None:
    said: list[str] = []

    def run(part: Part, inputs: Inputs, out: Outputs) -> None:
        if part == (1,) and "settle" not in said:
            raise Unsettled
        said.append(f"run {part[0]}")

    stage = Stage(
        "ask",
        1,
        1,
        (),
        None,
        run=run,
        narrow=lambda part, inputs: {"part": part[0]},
        prepare=lambda part, inputs: said.append(f"prepare {part[0]}"),
        settle=lambda: said.append("settle"),
    )
    outcome = execute(Graph("b", Store(tmp_path), [stage], [(0,), (1,)]), Quiet())

    assert said == ["run 0", "prepare 1", "settle", "run 1"]
    assert outcome.ran == {"ask": 2}


def test_a_step_that_still_lacks_replies_after_settling_is_an_error(tmp_path: Path) -> None:
    def run(part: Part, inputs: Inputs, out: Outputs) -> None:
        raise Unsettled

    stage = Stage("ask", 1, 0, (), None, run=run, settle=lambda: None)

    with pytest.raises(StoreError, match="ask all still lacks replies"):
        execute(Graph("b", Store(tmp_path), [stage], [()]), Quiet())


def test_a_second_writer_gets_an_error_with_the_process_id_of_the_first(tmp_path: Path) -> None:
    with (
        locked(tmp_path),
        pytest.raises(BusyError, match=f"process {os.getpid()}"),
        locked(tmp_path),
    ):
        pass
    with locked(tmp_path):
        pass


@given(values=st.lists(st.integers(0, 2**40), max_size=50), frame=st.integers(1, 7), data=st.data())
def test_rows_can_be_read_in_any_order(
    values: list[int], frame: int, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    rows = [Number(value) for value in values]
    whole, framed = store.write_rows(rows), store.write_rows(rows, frame_rows=frame)
    numbers = data.draw(st.lists(st.integers(0, max(0, len(rows) - 1)), max_size=8 if rows else 0))

    assert list(store.rows(whole, Number)) == list(store.rows(framed, Number)) == rows
    assert [rows[n] for n in numbers] == list(store.rows_at(framed, numbers, Number))
    assert whole.digest == framed.digest


def test_an_artifact_is_identified_by_content_not_by_compression(tmp_path: Path) -> None:
    store = Store(tmp_path)
    one = store.write_rows([Number(1), Number(2)])
    other = store.write_rows([Number(1), Number(3)])

    assert isinstance(one, Artifact)
    assert one.digest != other.digest


def test_changes_name_every_leaf() -> None:
    old = {"a": 1, "b": {"c": [1, 2]}, "gone": 1}
    new = {"new": None, "a": 1, "b": {"c": [1, 3]}}

    found = list(changes(old, new))
    assert [str(c) for c in found] == [
        "b.c[1]: 2 -> 3",
        "gone: 1 -> None",
        "new: None -> None",
    ]
    assert [c.kind for c in found] == ["changed", "removed", "added"]


def test_changes_are_sorted_by_path_whatever_the_order_of_the_trees() -> None:
    found = sorted(changes({"b": 1, "a": {"d": 1, "c": 1}}, {"a": {"c": 2, "d": 2}, "b": 2}))

    assert [each.field for each in found] == ["a.c", "a.d", "b"]


def test_lists_of_different_lengths_are_one_leaf_unless_compared_by_item() -> None:
    old, new = {"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}, 4]}

    assert [str(each) for each in changes(old, new)] == ["a: 2 items -> 3 items"]
    assert [(c.path, c.kind) for c in changes(old, new, by_item=True)] == [
        (("a", 1, "b"), "changed"),
        (("a", 2), "added"),
    ]


def test_values_of_different_types_differ_as_their_digests_do() -> None:
    assert [str(each) for each in changes({"a": 1, "b": True}, {"a": 1.0, "b": 1})] == [
        "a: 1 -> 1.0",
        "b: True -> 1",
    ]


@given(tree=json_values())
def test_a_tree_does_not_differ_from_itself(tree: Json) -> None:
    assert list(changes(tree, tree)) == list(changes(tree, tree, by_item=True)) == []
