"""Verification of any probe parquet file, including files that this compiler did not write."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compiler import cli
from tests.conftest import ROOT, Builds, Probec, installed, make_project
from tests.e2e.test_build import SPEC, build, dataset

Row = dict[str, object]
TOKENIZER = "specs/data/bpe-8k.json.gz"
PUBLISHED = (ROOT / "tests/data/published_columns.txt").read_text(encoding="utf-8").split()


def findings(probec: Probec, path: Path, code: int) -> dict[str, int]:
    assert probec("verify-rows", str(path), "--tokenizer", TOKENIZER, "--json") == code, probec.err
    return {name: each["count"] for name, each in json.loads(probec.out)["findings"].items()}


@pytest.fixture(scope="module")
def undamaged(builds: Builds, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Return the findings in the dataset that each test damages in another way."""
    root = make_project(tmp_path_factory.mktemp("undamaged") / "project")
    builds.copy(root, ("build", SPEC))
    words = ["verify-rows", str(installed(root) / "data"), "--tokenizer", str(root / TOKENIZER)]
    with redirect_stdout(io.StringIO()) as out:
        assert cli.main([*words, "--json"]) == 0
    return {name: each["count"] for name, each in json.loads(out.getvalue())["findings"].items()}


@pytest.mark.usefixtures("tiny")
def test_a_compiled_dataset_has_no_errors(probec: Probec, project: Path) -> None:
    assert not {name for name in findings(probec, installed(project), 0) if name < "V14"}


def test_faults_of_a_published_file_are_reported(probec: Probec, project: Path) -> None:
    """Cover 35 columns, float indices, nulls, empty strings, sentinels and a mid-word split."""
    build(probec, "--set", "publish.dtypes=published")
    rows = [{name: row[name] for name in PUBLISHED} for row in dataset(project)]
    rows[0].update(atom_text="", verbalizer_prompt=None)
    rows[1].update(slot_idx=-1.0)
    rows[2].update(abs_index=None, signed_index=None, signed_index_hint=None)
    rows[3].update(slot_idx=None, actual_word_distance_from_split=-9999.0)
    rows[4].update(atom_text=None, incorrect_plausible_answer=None, context="x")
    rows[5].update(split_char_offset=None, row_splits=None, target="both")
    rows[6].update(bb_answer_rollout_scores=[0.1, 7.0], bb_answer_rollout_answers=None, doc=None)
    rows[7].update(scope="guess", doc_id=None, n_tokens_actual=float("nan"))
    schema = pq.read_schema(installed(project) / "data/train-round-000.parquet")
    path = project / "foreign.parquet"
    table = pa.Table.from_pylist(rows, pa.schema([schema.field(name) for name in PUBLISHED]))
    pq.write_table(table, path)
    found = findings(probec, path, 1)

    for check in ("V01", "V02", "V03", "V04", "V11", "V17", "V18", "V23"):
        assert found[check] >= 1, check
    assert probec("verify-rows", str(path)) == 1
    assert "not applied: V21, V30, V07 (recount by bpe-8k.json.gz@" in probec.out


def shift(row: Row) -> None:
    row["atom_end"] = int(str(row["atom_end"])) - 1


def swap(row: Row) -> None:
    row["target"] = "prefix" if row["target"] == "suffix" else "suffix"


def cut(row: Row) -> None:
    row["context"] = str(row["context"])[1:]


def move(row: Row) -> None:
    row["split_char_offset"] = int(str(row["split_char_offset"])) + 1


def cut_token(row: Row) -> None:
    row["split_char_offset"] = str(row["doc"]).index(" the ") + 2


def flip(row: Row) -> None:
    row["signed_index"] = -int(str(row["signed_index"] or 1))


def shorten(row: Row) -> None:
    shift(row)
    row["atom_text"] = str(row["atom_text"])[:-1]


def split_outside(row: Row) -> None:
    splits = row["row_splits"]
    assert isinstance(splits, dict)
    splits["whole"] = 10**6


def no_scores(row: Row) -> None:
    row.update(bb_answer_rollout_scores=None, bb_answer_rollout_answers=None)


def no_answer(row: Row) -> None:
    answers = row["bb_answer_rollout_answers"]
    assert isinstance(answers, list)
    answers[0] = None


@pytest.mark.parametrize(
    ("damage", "check"),
    [
        (shift, "V01"),
        (swap, "V02"),
        (cut, "V02"),
        (move, "V03"),
        (cut_token, "V21"),
        (lambda row: row.update(slot_idx=0), "V04"),
        (lambda row: row.update(typicality="typical", n_siblings_shown=1), "V05"),
        (flip, "V06"),
        (lambda row: row.update(n_tokens_actual=99), "V07"),
        (lambda row: row.update(target_response="another thing"), "V10"),
        (lambda row: row.update(verbalizer_prompt=" "), "V11"),
        (lambda row: row.update(incorrect_plausible_answer=row["atom_text"]), "V12"),
        (lambda row: row.update(verbalizer_prompt="What does the hidden state say?"), "V15"),
        (lambda row: row.update(bb_answer_score_max=0.999), "V16"),
        (lambda row: row.update(bb_answer_rollout_answers=["one"]), "V17"),
        (lambda row: row.update(row_seed=1), "V18"),
        (lambda row: row.update(gen_start_char=10**6), "V22"),
        (lambda row: row.update(doc_id=None), "V04"),
        (split_outside, "V03"),
        (shorten, "V09"),
        (no_scores, "V16"),
        (lambda row: row.update(score_status=None), "V17"),
        (lambda row: row.update(score_status="local"), "V17"),
        (no_answer, "V17"),
        (lambda row: row.update(no_context_scores=[-3.0]), "V16"),
        (lambda row: row.update(gold_score=1.2), "V16"),
        (lambda row: row.update(bb_answer_response_scores=[7.0] * 5), "V16"),
        (lambda row: row.update(bb_answer_response_scores=[0.5]), "V17"),
        (lambda row: row.update(n_siblings_available=99), "V18"),
    ],
)
@pytest.mark.usefixtures("tiny")
def test_each_check_finds_its_violation(
    damage: Callable[[Row], object],
    check: str,
    probec: Probec,
    project: Path,
    undamaged: dict[str, int],
) -> None:
    data = installed(project) / "data"
    file = next(data.glob("train-*.parquet"))
    table = pq.read_table(file)
    rows: list[Row] = table.to_pylist()
    wanted = {
        "V09": "whole",
        "V07": "lens",
        "V10": "lens",
        "V16": "sentence",
        "V17": "sentence",
        "V05": "sentence",
    }
    scope = wanted.get(check, "sentence")
    # The few documents have no built `whole` probe of a suffix.
    target = "prefix" if scope == "whole" else "suffix"
    damage(next(r for r in rows if r["scope"] == scope and r["target"] == target))
    pq.write_table(pa.Table.from_pylist(rows, table.schema), file)
    after = findings(probec, data, 1 if check not in ("V15", "V21") or damage is cut_token else 0)

    assert after.get(check, 0) > undamaged.get(check, 0)


def earlier(row: Row) -> None:
    """Keep the atom, with a stated distance that is one unit too large."""
    row.update(
        abs_index=int(str(row["abs_index"])) + 1, signed_index=int(str(row["signed_index"])) - 1
    )


@pytest.mark.parametrize(
    ("damage", "scope", "detail"),
    [
        (earlier, "sentence", "abs_index 2, recomputed 1"),
        (earlier, "paragraph", "abs_index 2, recomputed 1"),
        (lambda row: row.update(abs_index=1, signed_index=-1), "whole", "abs_index 1, recomputed"),
        (lambda row: row.update(signed_index=None), "word", "signed_index None, recomputed -"),
        (lambda row: row.update(signed_index_hint=2), "lens", "signed_index_hint 2 of a prefix"),
        (lambda row: row.update(actual_word_distance_from_split=-7), "lens", "split -7, recomp"),
        (lambda row: row.update(band="middle"), "word", "band 'middle', recomputed None"),
        (lambda row: row.update(band=None), "sentence", "band None, recomputed '"),
        (lambda row: row.update(split_token_idx=1), "whole", "split_token_idx 1, recomputed "),
        (lambda row: row.update(split_region="source"), "word", "split_region 'source', recomp"),
        (lambda row: row.update(probe_id="0" * 24), "lens", "probe_id '0000"),
        (lambda row: row.update(context_chars_seen=10**6), "sentence", "seen 1000000 of "),
        (lambda row: row.update(probe_id=None), "word", "probe_id is null"),
        (lambda row: row.update(split_is_token_boundary=False), "lens", "boundary False, recomp"),
        (lambda row: row.update(typicality="typical"), "word", "typicality 'typical' of a templ"),
        (lambda row: row.update(n_tokens_actual=3), "whole", "n_tokens_actual 3 of a written"),
        (lambda row: row.update(tokenizer=None), "lens", "by tokenizer None"),
    ],
)
@pytest.mark.usefixtures("tiny")
def test_derived_columns_are_recomputed(
    damage: Callable[[Row], object], scope: str, detail: str, probec: Probec, project: Path
) -> None:
    place = installed(project)
    file = next(place.glob("data/train-*.parquet"))
    table = pq.read_table(file)
    rows: list[Row] = table.to_pylist()
    units = ("sentence", "paragraph")
    fitting = [row for row in rows if (row["scope"], row["target"]) == (scope, "prefix")]
    damage(next(row for row in fitting if scope not in units or row["abs_index"] == 1))
    pq.write_table(pa.Table.from_pylist(rows, table.schema), file)

    for path in (place, place / "data", file):
        assert findings(probec, path, 1)["V30"] >= 1
    assert probec("verify-rows", str(place), "--tokenizer", TOKENIZER) == 1
    assert detail in probec.out
    # The tokenizer of a third-party file is unknown.
    foreign = project / "foreign.parquet"
    pq.write_table(table.drop_columns(["probe_id"]), foreign)
    assert "V30" not in findings(probec, foreign, 0)


@pytest.mark.usefixtures("tiny")
def test_duplicate_rows_of_a_file_are_found(probec: Probec, project: Path) -> None:
    table = pq.read_table(installed(project) / "data/train-round-000.parquet")
    path = project / "twice.parquet"
    pq.write_table(pa.concat_tables([table, table]), path)

    assert findings(probec, path, 1)["V04"] == table.num_rows


CLAIM = (
    "scopes.claim={kind: written, order: 5, slots: 1, split: sentence, unit: sentence, "
    "synergy: what two pieces say together}"
)


@pytest.mark.parametrize(
    "options",
    [
        (CLAIM, "slots_per_document=17"),
        ("scopes.word.split=sentence", "scopes.lens.split=sentence"),
        ("scopes.sentence.split=paragraph",),
        ("scopes.word.order=9",),
        ("scopes.whole.alternative=atom",),
        ("scopes.sentence.alternative=response",),
        ("scoring.bands={hard: 0.1, easy: 0.2}",),
    ],
)
def test_a_dataset_is_checked_with_the_scopes_of_its_build(
    options: tuple[str, ...], probec: Probec, project: Path
) -> None:
    sets = [word for option in options for word in ("--set", option)]
    build(probec, *sets)
    folder = installed(project)

    assert not {name for name in findings(probec, folder, 0) if name < "V14"}
    assert probec("card", str(folder), "--check") == 0, probec.out
    assert probec("stats", SPEC, *sets, "--json") == 0
    ours = json.loads(probec.out)
    assert probec("stats", str(folder), "--json") == 0
    theirs = json.loads(probec.out)
    assert {**theirs, "build": None, "scopes": None} == {**ours, "build": None, "scopes": None}


def test_the_dataset_states_where_suffix_atoms_may_lie(probec: Probec, project: Path) -> None:
    build(probec, "--set", "splits.suffix_in_generated=false", "--set", "seed=12")
    rows = dataset(project)
    early = [int(str(r["atom_start"])) < int(str(r["gen_start_char"])) for r in rows]
    assert any(
        is_early and r["target"] == "suffix" for is_early, r in zip(early, rows, strict=True)
    )

    assert not {n for n in findings(probec, installed(project), 0) if n < "V14"}


def test_lens_atoms_are_counted_with_the_tokenizer_named_in_their_rows(
    probec: Probec, project: Path
) -> None:
    other = project / "specs/data/other.json.gz"
    raw = json.loads(gzip.decompress((project / TOKENIZER).read_bytes()))
    # Without its last merges, the tokenizer splits some words into more tokens.
    raw["model"]["merges"] = raw["model"]["merges"][:2000]
    other.write_bytes(gzip.compress(json.dumps(raw).encode("utf-8")))
    build(probec, "--set", "scopes.lens.tokenizer=specs/data/other.json.gz")
    folder = str(installed(project))

    assert "V07" not in findings(probec, Path(folder), 0)
    assert probec("verify-rows", folder, "--tokenizer", TOKENIZER) == 0
    assert "not applied: V07 (recount by other.json.gz@" in probec.out
    assert probec("verify-rows", folder, "--tokenizer", TOKENIZER, "--tokenizer", str(other)) == 0
    assert "V07" not in probec.out


@pytest.mark.usefixtures("tiny")
def test_indices_of_the_wrong_type_are_named(probec: Probec, project: Path) -> None:
    table = pq.read_table(installed(project) / "data/train-round-000.parquet")
    place = table.schema.get_field_index("abs_index")
    words = pa.array(["3", "near", None] * table.num_rows)[: table.num_rows]
    half = pa.array([None, 1.5] * table.num_rows)[: table.num_rows]
    table = table.set_column(place, "abs_index", words)
    place = table.schema.get_field_index("actual_word_distance_from_split")
    pq.write_table(table.set_column(place, table.schema.names[place], half), project / "x.parquet")
    probec("verify-rows", str(project / "x.parquet"))

    assert "actual_word_distance_from_split (double)" in probec.out
    assert "abs_index (string)" in probec.out
    assert "abs_index is 'near'" in probec.out or "abs_index is '3'" in probec.out


@pytest.mark.usefixtures("tiny")
def test_a_document_in_two_rounds_and_inconsistent_counts_are_found(
    probec: Probec, project: Path
) -> None:
    folder = installed(project)
    table = pq.read_table(folder / "data/train-round-000.parquet")
    again = table.slice(0, 16).to_pylist()
    for row in again:
        row["round_idx"] = 1
    pq.write_table(pa.Table.from_pylist(again, table.schema), folder / "data/train-x.parquet")
    found = findings(probec, folder, 1)

    assert found["V19"] >= 1
    assert found["V20"] >= 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no parquet file there"),
        (lambda path: path.write_bytes(b"PAR1"), "not a parquet file"),
        (lambda path: pq.write_table(pa.table({"a": [1]}), path), "this is not a probe dataset"),
    ],
)
def test_an_invalid_dataset_is_one_clear_error(
    make: Callable[[Path], object], message: str, probec: Probec, project: Path
) -> None:
    make(project / "x.parquet")

    assert probec("verify-rows", "x.parquet") == 1
    assert message in probec.err
