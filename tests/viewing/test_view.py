"""`probec view`: the table, the server, the page in a browser."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compiler.commands import view
from compiler.dataset.columns import band_of
from compiler.errors import SourceError, UsageError
from compiler.evaluation.scores import written
from compiler.viewing import server
from compiler.viewing.selection import PAGE, parse
from compiler.viewing.table import Beside, Table
from tests.chromium import Chromium
from tests.conftest import Builds, Probec, make_project
from tests.evaluation.synthetic import Score, gathered

BANDS = (0.4, 0.8)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, builds: Builds) -> Path:
    """The directory of a finished build of `tiny`."""
    root = make_project(tmp_path_factory.mktemp("viewed") / "project")
    builds.copy(root, ("build", "specs/tiny.yaml"))
    return root / "build/datasets/tiny"


@pytest.fixture(scope="module")
def rows(built: Path) -> list[dict[str, Any]]:
    """Its rows, in the order of its files."""
    files = sorted((built / "data").glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


@pytest.fixture(scope="module")
def table(built: Path) -> Table:
    return Table(sorted((built / "data").glob("*.parquet")), BANDS)


@pytest.fixture(scope="module")
def address(table: Table) -> Iterator[str]:
    """The address of a server of the table."""
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    app = server.application(table, "tiny")
    own = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=own.run, args=([listener],))
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    own.should_exit = True
    thread.join()


def score(row: dict[str, Any]) -> float | None:
    found = row["bb_answer_score_max"]
    return found if isinstance(found, float) else None


def listed(table: Table, query: dict[str, str]) -> list[str]:
    """The ids of all pages of a selection."""
    found: list[str] = []
    while page := [row.id for row in table.page(parse({**query, "offset": str(len(found))}))]:
        assert len(page) <= PAGE
        found += page
    return found


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"scope": "word", "target": "suffix"},
        {"band": "hard"},
        {"round": "1"},
        {"flag": "V14"},
        {"low": "0.1", "high": "0.3"},
        {"low": "0.9", "high": "1"},
        {"text": "THE"},
        {"text": "100% of '"},
    ],
    ids=str,
)
def test_a_selection_lists_and_counts_exactly_its_rows(
    table: Table, rows: list[dict[str, Any]], query: dict[str, str]
) -> None:
    def chosen(row: dict[str, Any]) -> bool:
        best = score(row)
        words = "\n".join(
            str(row[name]).lower()
            for name in (
                *("verbalizer_prompt", "atom_text", "target_response"),
                *("doc_id", "doc_source", "probe_id"),
            )
        )
        high = float(query.get("high", "2"))
        return (
            all(row[name] == query[name] for name in ("scope", "target") if name in query)
            and ("round" not in query or row["round_idx"] == int(query["round"]))
            and ("flag" not in query or query["flag"] in (row["flags"] or []))
            and ("text" not in query or query["text"].lower() in words)
            and ("band" not in query or (best is not None and band_of(best, *BANDS) == "hard"))
            and (
                "low" not in query
                or (
                    (best is not None and float(query["low"]) <= best)
                    and (best < high or high == best == 1)
                )
            )
        )

    expected = [row["probe_id"] for row in rows if chosen(row)]
    assert listed(table, query) == expected
    facets = table.facets(parse(query))
    assert facets["total"] == len(expected)
    assert len(expected) < len(rows) or not query


def test_counts_of_a_filter_leave_that_filter_out(table: Table, rows: list[dict[str, Any]]) -> None:
    facets = table.facets(parse({"scope": "word", "low": "0", "high": "0.1"}))
    scopes = {row["scope"] for row in rows if score(row) is not None and score(row) < 0.1}  # pyrefly: ignore[unsupported-operation]
    assert {name for name, _ in facets["scope"]} == scopes  # pyrefly: ignore[not-iterable]
    words = [row for row in rows if row["scope"] == "word"]
    assert (facets["histogram"], facets["unscored"]) == ([0] * 10, len(words))


def test_orders_put_rows_without_a_score_last(table: Table, rows: list[dict[str, Any]]) -> None:
    best = {str(row["probe_id"]): score(row) for row in rows}
    for name, sign in (("score", 1), ("-score", -1)):
        found = [best[each] for each in listed(table, {"sort": name})]
        scored = [each for each in found if each is not None]
        assert scored == sorted(scored, key=lambda each: sign * each)
        assert found[len(scored) :] == [None] * (len(rows) - len(scored))


def test_a_document_has_its_rows_and_its_text(table: Table, rows: list[dict[str, Any]]) -> None:
    row = next(row for row in rows if row["scope"] == "sentence")
    found = table.document(str(row["probe_id"]))
    assert found is not None
    record, chosen, beside = found
    assert "".join(stretch.text for stretch in record.text) == row["doc"]
    assert record.probes[chosen].question == row["verbalizer_prompt"]
    own = [r["probe_id"] for r in rows if (r["doc_id"], r["round_idx"]) == (row["doc_id"], 0)]
    assert sorted(beside) == sorted(map(str, own))
    assert table.document("nothing") is None


def test_another_build_stands_beside(
    built: Path, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    """A score of 1 for each probe beside changes the band of each that was not easy."""
    files = sorted((built / "data").glob("*.parquet"))
    other = tmp_path / "other.parquet"
    scored = [row for row in rows if score(row) is not None]
    ids = [row["probe_id"] for row in scored]
    pq.write_table(pa.table({"probe_id": ids, "bb_answer_score_max": [1.0] * len(ids)}), other)
    table = Table(files, BANDS, [Beside("it's", (other,), "rows")])
    changed = listed(table, {"changed": "1", "sort": "gain"})
    expected = [row for row in scored if score(row) < 0.8]  # pyrefly: ignore[unsupported-operation]
    assert sorted(changed) == sorted(str(row["probe_id"]) for row in expected)
    [first] = table.page(parse({"sort": "gain"}))[:1]
    assert first.score == min(score(row) for row in scored)  # pyrefly: ignore[bad-specialization]
    assert first.beside == {"it's": 1.0}

    pq.write_table(pa.table({"probe_id": ["x"], "bb_answer_score_max": [1.0]}), other)
    with pytest.raises(UsageError, match="no probe of this dataset has a score there"):
        Table(files, BANDS, [Beside("other", (other,), "rows")])
    pq.write_table(pa.table({"probe_id": ["x"]}), other)
    with pytest.raises(SourceError, match="no column 'bb_answer_score_max'"):
        Table(files, BANDS, [Beside("other", (other,), "rows")])


def test_each_method_of_an_evaluation_stands_beside(
    built: Path, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Controls and other samples are left out; a probe that a method lacks has no score."""
    first, second = [str(row["probe_id"]) for row in rows if row["scope"] == "sentence"][:2]
    scores = [
        made("mine", first, 0.25),
        made("mine", first, 0.75, control="shuffled"),
        made("mine", first, 1.0, sample=0),
        made("other", second, 0.5),
        made("other", first, None),
    ]
    (tmp_path / "scores.parquet").write_bytes(written(gathered(scores)))
    beside = view._beside(tmp_path, None)
    table = Table(sorted((built / "data").glob("*.parquet")), BANDS, beside)
    found = {row.id: row.beside for row in table.page(parse({"scope": "sentence"}))}
    assert (found[first], found[second]) == ({"mine": 0.25}, {"other": 0.5})
    assert sum(map(bool, found.values())) == 2


def made(
    method: str, probe: str, score: float | None, *, control: str = "", sample: int = -1
) -> Score:
    """A score of a method."""
    cell = ("doc", "sentence", "prefix", "", "hard", "exact")
    status: Any = "scored" if score is not None else "missing"
    return Score(
        "method", method, control, probe, *cell, sample, score, status, 1, 9.0, False, False
    )


def test_rows_of_another_tool_need_few_columns(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    kept = (
        *("doc", "scope", "target", "context", "atom_text", "verbalizer_prompt", "doc_id"),
        "bb_answer_rollout_scores",
    )
    file = tmp_path / "foreign.parquet"
    pq.write_table(pa.Table.from_pylist([{name: row[name] for name in kept} for row in rows]), file)
    table = Table([file], BANDS)
    assert [row.score for row in table.page(parse({"scope": "sentence"}))] == [
        score(row) for row in rows if row["scope"] == "sentence"
    ]
    first = table.page(parse({}))[0]
    found = table.document(first.id)
    assert found is not None
    assert found[0].probes[found[1]].question == rows[0]["verbalizer_prompt"]

    pq.write_table(pa.table({"doc": ["a"]}), file)
    with pytest.raises(SourceError, match="no column 'scope'"):
        Table([file], BANDS)


def test_the_server_answers_this_machine_only(address: str) -> None:
    with urlopen(address) as reply:
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    cases: tuple[tuple[str, dict[str, str], int, str], ...] = (
        ("rows", {"Host": "example.org"}, 400, "Invalid host"),
        ("rows?sort=best", {}, 400, "no order 'best'"),
        ("rows?low=much", {}, 400, "low 'much' is not a number"),
        ("rows?round=a", {}, 400, "round 'a' is not a number"),
        ("rows?offset=-1", {}, 400, "offset '-1' is not a number"),
        ("document/nothing", {}, 404, "no probe has this id"),
    )
    for path, headers, code, text in cases:
        with pytest.raises(HTTPError) as error:
            urlopen(Request(address + path, headers=headers))
        assert error.value.code == code
        assert text in error.value.read().decode()


def test_the_page_filters_searches_and_opens(
    address: str, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    browser = Chromium(tmp_path / "profile")
    try:
        browser.size(1280, 860)
        browser.open(f"{address}#scope=sentence&sort=-score")
        browser.wait("document.querySelectorAll('#list a').length > 0")
        sentences = sum(row["scope"] == "sentence" for row in rows)
        assert browser.run("$('count').textContent").startswith(f"{sentences} rows")

        browser.press("j")
        browser.wait("document.querySelector('#text .atom')")
        browser.press("j")
        browser.wait("document.querySelectorAll('#list a')[1].hasAttribute('aria-current')")
        chosen = browser.run("document.querySelectorAll('#list a')[1].dataset.id")
        browser.wait(f"$('probe').textContent.includes('{chosen}')")
        row = next(row for row in rows if row["probe_id"] == chosen)
        marked = "[...document.querySelectorAll('#text .atom')].map(e => e.textContent).join('')"
        assert browser.run(marked) == row["atom_text"]
        assert f"probe={chosen}" in browser.run("location.hash")

        browser.run("document.querySelector('#histogram button').click()")
        browser.wait("location.hash.includes('low=0')")
        low = sum(row["scope"] == "sentence" and (score(row) or 0) < 0.1 for row in rows)
        browser.wait(f"$('count').textContent.startsWith('{low} rows')")
        browser.press("/")
        browser.send("Input.insertText", text="no such text")
        browser.wait("$('empty')")
        browser.press("Escape")
        browser.wait(f"$('count').textContent.startsWith('{len(rows)} rows')")

        browser.size(390, 844)
        browser.open("about:blank")
        browser.open(f"{address}#probe={chosen}")
        browser.wait("document.querySelector('#text .atom')")
        wide = "document.documentElement.scrollWidth <= 390"
        assert browser.run(wide)
        browser.run("$('back').click()")
        browser.wait("getComputedStyle($('left')).display !== 'none'")
        assert browser.run(wide)
        browser.open("about:blank")
        browser.open(f"{address}#probe=nothing")
        browser.wait("$('fault').textContent.includes('no probe has this id')")
    finally:
        browser.close()


def test_the_command_serves_until_it_is_interrupted(built: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "compiler", "view", str(built), "--beside", str(built)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    address = line.split()[1]
    with urlopen(f"{address}rows") as reply:
        found = json.load(reply)
    assert found["beside"] == ["tiny"]
    assert not table_changed(found)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 0
    assert process.stderr.read().strip() == ""
    process.stderr.close()


def table_changed(found: dict[str, Any]) -> bool:
    """True if a score beside differs from that of the row."""
    listed = found["rows"]
    assert isinstance(listed, list)
    return any(each["beside"].get("tiny", each["score"]) != each["score"] for each in listed)


def test_wrong_arguments_are_refused(probec: Probec, tiny: None) -> None:
    for args, text in (
        (("specs/tiny.yaml", "--hard", "0.2"), "--hard and --easy are for rows in files"),
        (("specs/data/tiny.jsonl",), "not a parquet file"),
        (("nowhere",), "no parquet file there"),
        (("specs/tiny.yaml", "--port", "99999"), "'99999' is not a port"),
        (("build/datasets/tiny", "--beside", "nowhere"), "no parquet file there"),
    ):
        assert probec("view", *args) in (1, 2)
        assert text in probec.err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert probec("view", "specs/tiny.yaml", "--port", port) == 2
    assert f"cannot listen on port {port}" in probec.err
