"""A pushed dataset, read back from the Hub at its tag."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Probec
from tests.hub import LoopbackHub
from tests.publishing.conftest import publishing

TO = "hf://datasets/me/probes"
SPEC = "specs/tiny.yaml"
# The library uploads files in a way that its transport is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:Use .content=:DeprecationWarning")


@pytest.mark.usefixtures("tiny")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_dataset_reads_back_at_its_tag_and_a_later_push_changes_nothing_there(
    hub: LoopbackHub,
    project: Path,
    probec: Probec,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    import datasets
    import polars as pl
    import pyarrow.parquet as pq
    from huggingface_hub import HfFileSystem

    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", hub.url)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    pushed = probec.json("push", SPEC, "--to", TO)
    assert isinstance(pushed["tags"], list)
    tag = pushed["tags"][-1]
    local = project / "build/datasets/tiny/data"
    expected = pq.read_table(sorted(local.glob("*.parquet"))).to_pylist()
    # Another head, which the tag must not follow.
    repo = hub.repositories["me/probes"]
    repo.refs["main"] = repo.commit(repo.head(), {}, "Emptied by hand").oid

    files = HfFileSystem()
    names = sorted(files.glob(f"datasets/me/probes@{tag}/data/*.parquet"))
    loaded = datasets.load_dataset("me/probes", "default", split="train", revision=tag)
    assert list(loaded) == expected
    by_arrow = [row for name in names for row in pq.read_table(files.open(name)).to_pylist()]
    assert by_arrow == expected
    by_polars = pl.concat([pl.read_parquet(files.open(name)) for name in names])
    assert by_polars.to_dicts() == expected
    tokenizer = ("--tokenizer", "specs/data/bpe-8k.json.gz")
    assert probec("verify-rows", f"{TO}@{tag}", *tokenizer, "--json") == 0, probec.out
    there = json.loads(probec.out)
    assert probec("verify-rows", "build/datasets/tiny", *tokenizer, "--json") == 0
    here = json.loads(probec.out)
    assert {**there, "build": here["build"]} == here
    assert there["rows"] == len(expected)
    card = files.read_text(f"datasets/me/probes@{tag}/README.md", encoding="utf-8")
    blocks = dict(re.findall(r"With (\w+):\n\n```python\n(.*?)```", card, re.DOTALL))
    # The others name the Hub themselves.
    for name in ("datasets", "pandas"):
        scope: dict[str, Any] = {}
        exec(blocks[name], scope)
        assert len(scope["probes"]) == len(expected), name
    assert blocks.keys() == {"datasets", "polars", "duckdb", "pandas"}


@pytest.mark.usefixtures("tiny")
def test_probes_are_built_from_the_documents_of_a_pushed_dataset(
    hub: LoopbackHub, project: Path, probec: Probec
) -> None:
    publishing(project, "configs: [documents]")
    pushed = probec.json("push", SPEC, "--to", TO)
    assert isinstance(pushed["commits"], list)
    tag, commit = pushed["tags"][-1], pushed["commits"][0]
    change = ("--set", f"source.path={TO}@{tag}/documents", "--set", "name=again")
    assert probec("build", SPEC, *change) == 0, probec.err
    lock = next((project / "build/rounds").glob("again*/0-*.json"))

    identity = json.loads(lock.read_text(encoding="utf-8"))["identity"]
    assert identity["source"]["revision"] == commit
    assert len(identity["documents"]) == 4


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (f"{TO}@no-such-tag", "cannot be reached"),
        ("hf://datasets/me/nothing", "cannot be reached"),
        (f"{TO}/data/x.parquet", "not a dataset on the Hub"),
        ("hf://models/me/x", "not a dataset on the Hub"),
    ],
)
def test_an_address_without_rows_is_named(
    place: str, message: str, hub: LoopbackHub, probec: Probec
) -> None:
    hub.make("me/probes")

    assert probec("verify-rows", place) == 1
    assert message in probec.err
