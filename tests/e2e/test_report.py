"""`probec report`: a self-contained page whose numbers equal those of the rows."""

from __future__ import annotations

import html
import re
import shutil
import statistics
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.chromium import Chromium
from tests.conftest import LICENSE, Builds, Probec, installed
from tests.e2e.test_build import dataset, edit
from tests.e2e.test_scoring import WHOLE

SPEC = "specs/tiny.yaml"
EVIL = (
    "</span></div></article><script>alert(1)</script><img src=x onerror=alert(2)> &amp; {{ 7*7 }} "
    "שלום \u202eabc\u202c 👩\u200d👧 \x00\x07 <!-- <style> " + "W" * 300
)
SPANS = re.compile(r'<span class="([^"]*)">(.*?)</span>', re.DOTALL)
_VOID = {"meta", "link", "input", "img", "br", "line", "rect", "circle", "path", "polyline",
         "polygon"}  # fmt: skip


class Page(HTMLParser):
    """Tags, attributes and text of a page; fails when tags are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self._open: list[str] = []
        self._cell: str | None = None
        self.feed(text)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self._cell = ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self._open.pop() == tag, tag
        if tag in ("td", "th"):
            assert self._cell is not None
            self.tables[-1][-1].append(self._cell)
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("script", "style"):
            self.text += data
            if self._cell is not None:
                self._cell += data

    def table(self, *names: str) -> list[dict[str, str]]:
        """Return the rows of the table that has these columns, by column."""
        (found,) = [each for each in self.tables if set(names) <= set(each[0])]
        return [dict(zip(found[0], row, strict=True)) for row in found[1:]]


def page(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture
def built(probec: Probec, project: Path, builds: Builds) -> Path:
    """Return the dataset of the tiny spec with a report."""
    builds.copy(project, ("build", SPEC, *WHOLE), ("report", SPEC, *WHOLE))
    return installed(project)


def scored(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["score_status"] == "scored"]


def best(row: dict[str, Any]) -> float:
    scores = row["bb_answer_rollout_scores"]
    assert isinstance(scores, list)
    return float(max(scores))


def number(shown: str) -> float:
    """Return the value before its interval."""
    return float(shown.split(" ")[0])


def test_numbers_on_the_page_equal_those_of_the_rows(built: Path, project: Path) -> None:
    found, rows = page(built / "report.html"), scored(dataset(project))
    by_cell: dict[tuple[str, str], list[dict[str, Any]]] = {("all", "all"): rows}
    for row in rows:
        by_cell.setdefault((str(row["scope"]), str(row["target"])), []).append(row)

    shown = found.table("scope", "target", "scored", "0 to 0.2")
    assert {(line["scope"], line["target"]) for line in shown} == set(by_cell)
    for line in shown:
        values = [best(row) for row in by_cell[line["scope"], line["target"]]]
        assert line["scored"] == str(len(values))
        low = sum(value < 0.2 for value in values)
        assert line["0 to 0.2"] == f"{low} ({100 * low / len(values):.1f}%)"
        top = sum(value >= 0.8 for value in values)
        assert line["0.8 to 1"].startswith(f"{top} ")
    for line in found.table("scope", "target", "std of max", "HARD (max < 0.4)", "leaking"):
        values = [best(row) for row in by_cell[line["scope"], line["target"]]]
        hard = sum(value < 0.4 for value in values)
        assert line["HARD (max < 0.4)"].split(" ")[0] == f"{100 * hard / len(values):.1f}%"
        if len(values) > 1:
            assert line["std of max"] == f"{statistics.stdev(values):.3f}"
    for line in found.table("scope", "target", "k = 1", "k = 5"):
        own = by_cell[line["scope"], line["target"]]
        means = [float(str(row["bb_answer_score_mean"])) for row in own]
        tops = [best(row) for row in own]
        assert number(line["k = 1"]) == pytest.approx(statistics.fmean(means), abs=6e-4)
        assert number(line["k = 5"]) == pytest.approx(statistics.fmean(tops), abs=6e-4)
    for line in found.table("reader", "scope", "target", "rollouts"):
        name = line["reader"].replace(" ", "_") + "_scores"
        own = by_cell[line["scope"], line["target"]]
        values = [float(score) for row in own for score in row[name] or ()]
        assert number(line["mean score"]) == pytest.approx(statistics.fmean(values), abs=6e-4)


def test_the_ledger_on_the_page_agrees_with_rows_and_rejects(built: Path, project: Path) -> None:
    found, rows = page(built / "report.html"), dataset(project)
    lost = (built / "rejects.jsonl").read_text(encoding="utf-8").splitlines()
    for line in found.table("scope", "planned", "rejected", "built", "prefix"):
        if line["scope"] == "all":
            assert int(line["planned"]) == len(rows) + len(lost)
            continue
        own = [row for row in rows if row["scope"] == line["scope"]]
        rejected = sum(f'"scope":"{line["scope"]}"' in each for each in lost)
        assert int(line["built"]) == len(own)
        assert int(line["rejected"]) == rejected
        assert int(line["planned"]) == len(own) + rejected
        assert int(line["prefix"]) == sum(row["target"] == "prefix" for row in own)


def test_the_page_is_self_contained(built: Path) -> None:
    text = (built / "report.html").read_text(encoding="utf-8")
    found = Page(text)
    loading = [
        (tag, name, value)
        for tag, name, value in found.attributes
        if name in ("src", "srcset", "href", "action", "data", "xlink:href")
    ]

    assert all(value.startswith("#") or value == "data:," for _, _, value in loading)
    assert not re.search(r"@import|url\(", text)
    assert found.tags["svg"] > 10
    assert found.tags["script"] == found.tags["style"] == 1
    assert len(text) < 1_500_000


def test_the_page_begins_with_a_verdict_a_picture_and_a_probe(built: Path, project: Path) -> None:
    text = (built / "report.html").read_text(encoding="utf-8")
    first, second = re.findall(r"<section.*?</section>", text, re.DOTALL)[:2]
    values = [best(row) for row in scored(dataset(project))]
    hard = sum(value < 0.4 for value in values) / len(values)
    (verdict,) = re.findall(r'<p class="verdict">(.*?)</p>', first)

    assert f"{len(dataset(project))} probes of" in verdict
    assert f"of the {len(values)} with blind scores, {100 * hard:.1f}%" in verdict
    assert "the scores are simulated by the embedded model." in verdict
    assert Page(first).tags["svg"] == 1
    (row,) = [each for each in dataset(project) if f">{each['verbalizer_prompt']}<" in second]
    marked = "".join(re.findall("<mark>(.*?)</mark>", second, re.DOTALL))
    assert html.unescape(marked) == row["atom_text"]
    assert Page(second).text.count("split") == 1
    shown = [float(score) for score in re.findall(r"<b>(\d\.\d\d)</b>", second)]
    assert shown == pytest.approx(row["bb_answer_rollout_scores"], abs=0.005)


def test_every_link_of_the_page_has_its_place_and_every_control_a_name(built: Path) -> None:
    text = (built / "report.html").read_text(encoding="utf-8")
    found = Page(text)
    links = [value for tag, name, value in found.attributes if (tag, name) == ("a", "href")]
    ids = [value for _, name, value in found.attributes if name == "id"]
    (filters,) = re.findall(r'<div class="filters".*?</div>', text, re.DOTALL)
    controls = re.findall(r"<(?:input|select)", filters)

    assert len(links) >= 8
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert len(ids) == len(set(ids))
    assert len(controls) == 3
    assert len(re.findall(r"<label>\w+ <(?:input|select)", filters)) == len(controls)


def test_the_page_fits_its_first_screen_and_filters_its_documents(
    built: Path, tmp_path: Path
) -> None:
    browser = Chromium(tmp_path / "profile")
    shown = "[...document.querySelectorAll('.record')].filter(e => e.checkVisibility()).length"
    try:
        browser.size(1280, 800)
        browser.open((built / "report.html").as_uri())
        browser.wait("document.querySelector('.filters').checkVisibility()")
        ends = "document.querySelector('{}').getBoundingClientRect().bottom"
        assert browser.run(ends.format(".verdict")) < 800
        assert browser.run(ends.format(".overview")) < 800
        assert browser.run(ends.format("#probe h2")) < 800
        every = browser.run(shown)
        assert every > 2

        change = "(() => {{ const e = document.querySelector('{}'); e.value = '{}'; "
        change += "e.dispatchEvent(new Event('input', {{bubbles: true}})); }})()"
        browser.run(change.format("#filter-scope", "word"))
        chosen = "document.querySelector('.record:not([hidden]) .pick:checked').dataset.scope"
        assert browser.run(chosen) == "word"
        browser.run(change.format("#filter-text", "nonesuch"))
        assert browser.run(shown) == 0
        assert browser.run("document.querySelector('output').textContent").startswith("0 of")
        browser.run(change.format("#filter-text", ""))
        assert browser.run(shown) == every

        browser.size(390, 844)
        assert browser.run("document.documentElement.scrollWidth") == 390
    finally:
        browser.close()


def test_every_figure_has_a_label_and_its_numbers_as_text(built: Path) -> None:
    found = page(built / "report.html")
    labels = [
        value for tag, name, value in found.attributes if (tag, name) == ("svg", "aria-label")
    ]

    assert len(labels) == found.tags["svg"]
    assert all(labels)
    assert found.text.count("the numbers") >= 10
    assert found.text.count("Watch for") == 0  # written by the style, once per figure
    assert found.tags["details"] >= 10


def _written(rows: dict[tuple[object, object], dict[str, Any]]) -> list[tuple[object, object]]:
    """Return the document and slot of the rows that a model wrote."""
    return [key for key, row in rows.items() if row["template_id"] is None]


def test_documents_are_complete_and_each_atom_is_marked_on_its_side(
    built: Path, project: Path
) -> None:
    text = (built / "report.html").read_text(encoding="utf-8")
    rows = {(row["doc_id"], row["slot_idx"]): row for row in dataset(project)}
    articles = re.findall(r'<article class="record".*?</article>', text, re.DOTALL)

    assert len(articles) == len({doc for doc, _ in _written(rows)}) >= 5
    for article in articles:
        plain = Page(article)
        doc_id = next(key[0] for key in rows if str(key[0]) in article)
        own = sorted(key for key in rows if key[0] == doc_id)
        body = re.search(r'<div class="text".*?>(.*?)</div>', article, re.DOTALL)
        assert body is not None
        whole = Page(re.sub(r'<span class="cut.*?</span>', "", body[1])).text
        assert whole == str(rows[own[0]]["doc"])
        picks = [
            value for tag, name, value in plain.attributes if (tag, name) == ("input", "class")
        ]
        assert len(picks) == len(own) + 1
        for place, key in enumerate(own):
            row = rows[key]
            pieces = [
                (names, inner)
                for names, inner in SPANS.findall(body[1])
                if f"a{place}" in names.split()
            ]
            assert "".join(Page(inner).text for _, inner in pieces) == row["atom_text"]
            split = next(word for word in picks[place + 1].split() if word.startswith("x"))
            sides = {f"before-{split}" in names.split() for names, _ in pieces}
            assert sides == {row["target"] == "prefix"}
            assert str(row["verbalizer_prompt"]) in plain.text


@pytest.mark.usefixtures("tiny")
def test_the_sample_is_deterministic_and_spread(probec: Probec, project: Path) -> None:
    first = probec.json("report", SPEC, "--sample", "3")["documents"]
    text = (installed(project) / "report.html").read_bytes()
    again = probec.json("report", SPEC, "--sample", "3")["documents"]
    rounds = {row["doc_id"]: row["round_idx"] for row in dataset(project)}

    assert first == again
    assert (installed(project) / "report.html").read_bytes() == text
    assert isinstance(first, list)
    assert len(set(first)) == 3
    assert [rounds[doc] for doc in first] == [0, 1, 0]
    assert probec.json("report", SPEC, "--sample", "0")["documents"] == []
    found = probec.json("report", SPEC, "--sample", "99")["documents"]
    written = _written({(row["doc_id"], row["slot_idx"]): row for row in dataset(project)})
    assert isinstance(found, list)
    assert {*found} == {doc for doc, _ in written}
    assert len(found) >= 5


def test_a_directory_gives_the_same_scores_and_names_the_missing_counts(
    built: Path, probec: Probec
) -> None:
    of_spec = page(built / "report.html")
    assert probec("report", str(built), "--out", str(built.parent / "other.html")) == 0
    of_rows = page(built.parent / "other.html")
    names = ("scope", "target", "HARD (max < 0.4)", "leaking")

    assert of_rows.table(*names) == of_spec.table(*names)
    assert "do not say how many slots were planned" in of_rows.text
    assert "do not say how many slots were planned" not in of_spec.text


def test_a_new_build_removes_the_stale_report_and_a_no_op_build_keeps_it(
    built: Path, probec: Probec, project: Path
) -> None:
    assert probec("build", SPEC, *WHOLE) == 0
    assert (built / "report.html").is_file()
    edit(project / SPEC, LICENSE, "license: mit\n")
    assert probec("build", SPEC, *WHOLE) == 0
    assert not (built / "report.html").exists()


def written(folder: Path, rows: list[dict[str, Any]], schema: pa.Schema | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / "rows.parquet")
    return folder


def test_hostile_text_is_escaped(
    built: Path, probec: Probec, project: Path, tmp_path: Path
) -> None:
    file = next((built / "data").glob("*.parquet"))
    schema = pq.read_schema(file)
    rows = pq.read_table(file).to_pylist()
    for row in rows:
        for name in ("atom_start", "atom_end", "split_char_offset", "gen_start_char"):
            row[name] += len(EVIL)
        row["row_splits"] = {k: v and v + len(EVIL) for k, v in row["row_splits"].items()}
        row["doc"], row["doc_id"] = EVIL + row["doc"], row["doc_id"] + EVIL
        for name in ("doc_source", "verbalizer_prompt", "target_response", "score_status",
                     "incorrect_plausible_answer", "synergy_check", "answerer_model"):  # fmt: skip
            row[name] = EVIL
        row["flags"] = [EVIL]
        if row["bb_answer_rollout_answers"]:
            row["bb_answer_rollout_answers"] = [EVIL] * 5
    folder = written(tmp_path / "hostile", rows, schema)
    assert probec("report", str(folder)) == 0
    text = (folder / "report.html").read_text(encoding="utf-8")
    found = Page(text)

    assert found.tags["script"] == found.tags["style"] == 1
    assert found.tags["img"] == 0
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in found.text
    assert "{{ 7*7 }}" in found.text
    assert "[U+202E]abc[U+202C]" in found.text
    assert not set(text) & {"\x00", "\x07", "\u202e", "\u202c"}


def test_a_third_party_file_with_the_fewest_columns_has_a_page_that_names_the_missing_parts(
    built: Path, probec: Probec, tmp_path: Path
) -> None:
    names = ("doc", "scope", "target", "context", "atom_text", "verbalizer_prompt", "doc_id")
    rows = pq.read_table(next((built / "data").glob("*.parquet"))).to_pylist()
    folder = written(tmp_path / "foreign", [{name: row[name] for name in names} for row in rows])
    assert probec("report", str(folder / "rows.parquet")) == 0
    found = page(folder / "rows.report.html")

    for said in (
        "No row has blind scores",
        "The judge was given no known answers",
        "No answers were judged twice",
        "do not say how many slots were planned",
        "No row carries a flag",
    ):
        assert said in found.text
    # Splits and atoms are found from the context.
    assert "nothing is marked" not in found.text


def test_a_report_of_one_document_without_audits_names_the_missing_parts(
    built: Path, probec: Probec, tmp_path: Path
) -> None:
    file = next((built / "data").glob("*.parquet"))
    rows = pq.read_table(file).to_pylist()
    one = [row for row in rows if row["doc_id"] == rows[0]["doc_id"]]
    folder = written(tmp_path / "one", one, pq.read_schema(file))
    assert probec("report", str(folder)) == 0
    found = page(folder / "report.html")

    assert "1 of 1 documents" in found.text
    assert "too few" in found.text
    assert "The judge was given no known answers" in found.text


def test_misplaced_spans_are_reported_and_not_marked(
    built: Path, probec: Probec, tmp_path: Path
) -> None:
    file = next((built / "data").glob("*.parquet"))
    rows = pq.read_table(file).to_pylist()
    for row in rows:
        row["atom_start"], row["atom_end"] = 10**6, 10**6 + 5
    folder = written(tmp_path / "off", rows, pq.read_schema(file))
    assert probec("report", str(folder)) == 0

    assert "nothing is marked" in page(folder / "report.html").text


def test_unusable_input_of_a_report_is_an_error(
    probec: Probec, project: Path, tmp_path: Path
) -> None:
    assert probec("report", SPEC) == 1
    assert f"run `probec build {SPEC}`" in probec.err
    assert probec("report", SPEC, "--sample", "-1") == 2
    assert probec("report", str(tmp_path / "nothing")) == 1
    assert "no parquet file there" in probec.err
    assert probec("build", SPEC) == 0
    place = "build/datasets/tiny"
    assert probec("report", place, "--hard", "0.9", "--easy", "0.1") == 2
    template = project / "templates/report.html.j2"
    template.write_text(template.read_text(encoding="utf-8") + "{{ nonesuch }}", encoding="utf-8")
    assert probec("report", SPEC) == 2
    assert "nonesuch" in probec.err
    shutil.rmtree(project / "templates")
    assert probec("report", place) == 0
