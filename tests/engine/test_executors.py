"""Steps in other processes: the same outputs as in this one, even when processes are killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from compiler.building.folder import output_digests
from compiler.engine.execute import execute
from compiler.engine.executors import Executor, Job, cluster, declared, processes
from compiler.engine.executors.cluster import Cluster
from compiler.engine.executors.processes import Processes
from compiler.errors import SourceError, StoreError
from tests.conftest import ROOT, until
from tests.engine.works import Doubles, Quiet

KINDS = [
    pytest.param(lambda works: Processes(works, 2), id="processes"),
    pytest.param(lambda works: Cluster(works, "local", 2), id="ray"),
]
# All tests that need a cluster run in the same worker of pytest.
pytestmark = pytest.mark.xdist_group("ray")
# Ray leaves sockets and a subprocess to the garbage collector when it ends.
quiet_ray = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")
Kind = Callable[[Doubles], Executor]


@pytest.fixture
def works(tmp_path: Path) -> Doubles:
    return Doubles(tmp_path)


@pytest.fixture
def expected(tmp_path: Path) -> list[tuple[str, str, str]]:
    root = tmp_path / "elsewhere"
    root.mkdir()
    graph = Doubles(root).graph()
    execute(graph, Quiet())
    return list(output_digests(graph))


@pytest.fixture(scope="module")
def joined() -> Iterator[None]:
    """Start one cluster for all tests that can join it."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield
    ray.shutdown()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    if request.node.callspec.id.startswith("ray"):
        request.getfixturevalue("joined")
    made: Kind = request.param
    return made


@quiet_ray
def test_workers_have_the_outputs_of_a_local_build(
    kind: Kind, works: Doubles, expected: list[tuple[str, str, str]]
) -> None:
    (works.root / "slow").touch()
    graph = works.graph()
    outcome = execute(graph, Quiet(), kind(works))

    assert list(output_digests(graph)) == expected
    assert outcome.ran == {"numbers": 6, "doubles": 6, "total": 1}
    assert os.getpid() not in works.processes()
    assert len(works.processes()) == 2
    assert execute(works.graph(), Quiet(), kind(works)).up_to_date


@quiet_ray
def test_a_killed_worker_loses_no_output(
    kind: Kind, works: Doubles, expected: list[tuple[str, str, str]]
) -> None:
    (works.root / "die").write_text("2")
    graph = works.graph()
    execute(graph, Quiet(), kind(works))

    assert list(output_digests(graph)) == expected
    assert len((works.root / "ran-2").read_text().split()) == 3


@quiet_ray
def test_a_step_that_kills_every_worker_is_an_error_and_other_outputs_are_kept(
    kind: Kind, works: Doubles
) -> None:
    (works.root / "die").write_text("99")
    with pytest.raises(StoreError, match=r"step doubles 2: 3 .*died"):
        execute(works.graph(), Quiet(), kind(works))
    (works.root / "die").unlink()
    outcome = execute(works.graph(), Quiet())

    assert outcome.ran["numbers"] == 0
    assert outcome.ran["doubles"] < 6


@quiet_ray
def test_an_error_in_a_worker_is_raised_unchanged(kind: Kind, works: Doubles) -> None:
    (works.root / "fail").touch()
    with pytest.raises(SourceError) as caught:
        execute(works.graph(), Quiet(), kind(works))

    assert (caught.value.message, caught.value.where, caught.value.hint) == (
        "no good",
        "leaf 2",
        "mend it",
    )


def test_a_worker_with_other_parameters_is_rejected(works: Doubles) -> None:
    with pytest.raises(StoreError, match=r"step doubles 0: .* changed while the build ran"):
        execute(works.graph(), Quiet(), Processes(Doubles(works.root, factor=3), 1))


@pytest.mark.parametrize("large", [0, 1 << 40])
def test_large_workers_end_with_their_stage(
    works: Doubles, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    monkeypatch.setattr(processes, "_LARGE", large)
    graph = works.graph()
    stage = graph.stages[0]
    executor = Processes(works, 2)
    jobs = [
        Job(stage.name, step.part, declared(stage), graph.needs(step))
        for step in graph.steps(stage)
    ]
    made = list(executor.run(jobs))
    left = {child.pid for child in multiprocessing.active_children()}
    assert left == (set() if large == 0 else {each.process for each in made})
    assert len(list(executor.run(jobs))) == len(jobs)
    executor.close()
    assert not multiprocessing.active_children()


def test_the_memory_of_a_worker_excludes_that_of_its_parent(works: Doubles) -> None:
    large = bytearray(400 << 20)
    large[:: 1 << 12] = b"x" * (len(large) >> 12)
    executor = Processes(works, 1)
    graph = works.graph()
    stage = graph.stages[0]
    step = graph.steps(stage)[0]
    (made,) = executor.run([Job(stage.name, step.part, declared(stage), graph.needs(step))])
    executor.close()

    assert 0 < made.memory < len(large)


def test_workers_end_when_their_parent_ends(works: Doubles) -> None:
    (works.root / "slow").touch()
    code = (
        "import sys; from pathlib import Path; from tests.engine.works import *\n"
        "from compiler.engine.execute import execute\n"
        "from compiler.engine.executors.processes import Processes\n"
        "if __name__ == '__main__':\n"
        "    works = Doubles(Path(sys.argv[1]), leaves=40)\n"
        "    execute(works.graph(), Quiet(), Processes(works, 2))\n"
    )
    script = works.root / "script.py"
    script.write_text(code, encoding="utf-8")
    for ending in (signal.SIGKILL, signal.SIGINT):
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, str(script), str(works.root)]
        parent = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        for old in works.root.glob("ran-*"):
            old.unlink()
        until(lambda: len(works.processes()) == 2)
        workers = works.processes()
        parent.send_signal(ending)
        parent.wait(20)
        until(lambda pids=workers: not any(Path(f"/proc/{pid}").exists() for pid in pids))
        works.root.joinpath("slow").touch()


@quiet_ray
def test_a_cluster_without_a_machine_for_steps_is_an_error(
    works: Doubles, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setattr(cluster, "_LOOK_SECONDS", 0.2)
    monkeypatch.setattr(cluster, "_BARREN_SECONDS", 0.4)
    # The cluster that other tests joined has machines for steps.
    ray.shutdown()
    ray.init(num_cpus=0, include_dashboard=False, logging_level="error")
    try:
        with pytest.raises(StoreError, match="no machine that runs steps"):
            execute(works.graph(), Quiet(), Cluster(works, "local", 2))
    finally:
        ray.shutdown()
