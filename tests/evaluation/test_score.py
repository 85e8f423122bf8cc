"""`probec evaluate score`: predictions checked by row, judged once, and reported."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compiler.evaluation.subject import judge_of
from compiler.llm.providers.extractive import Extractive
from compiler.project import opening
from compiler.project.variant import Variant
from tests.conftest import ROOT, Probec
from tests.e2e.test_report import Page
from tests.evaluation.test_questions import published

SPEC = "specs/tiny.yaml"
HEAD = {"kind": "probec-predictions/1"}
OUT = Path("out")


def save(path: Path, rows: Iterable[dict[str, Any]], head: dict[str, Any] | None = None) -> None:
    lines = [*([{**HEAD, **head}] if head is not None else []), *rows]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def lines(found: dict[str, Any], **wanted: object) -> dict[str, dict[str, Any]]:
    """Return the lines of one cell by method."""
    wanted = {"typicality": "", "band": "all", "clean": False, **wanted}
    cells: list[dict[str, Any]] = found["results"]["cells"]
    (cell,) = [each for each in cells if all(each[k] == v for k, v in wanted.items())]
    return {str(line["method"]): line for line in cell["lines"]}


@pytest.fixture
def rows(project: Path, tiny: None) -> dict[str, dict[str, Any]]:
    return published(project)


def test_a_perfect_method_and_a_planted_share_score_exactly_so(
    probec: Probec, rows: dict[str, dict[str, Any]]
) -> None:
    words = [key for key in sorted(rows) if rows[key]["scope"] == "word"]
    kept = set(words[::3])
    save(
        Path("perfect.jsonl"), ({"probe_id": k, "answer": r["atom_text"]} for k, r in rows.items())
    )
    save(
        Path("planted.jsonl"),
        (
            {"probe_id": key, "answer": f"It is {row['atom_text']}." if key in kept else "x"}
            for key, row in rows.items()
        ),
    )
    found = probec.json(
        *("evaluate", "score", SPEC, "a=perfect.jsonl", "b=planted.jsonl", "--out", "out")
    )

    for target in ("prefix", "suffix"):
        own = [key for key in words if rows[key]["target"] == target]
        exact = lines(found, scope="word", target=target, metric="exact")
        contains = lines(found, scope="word", target=target, metric="contains")
        share = len(kept & set(own)) / len(own)
        assert exact["a"]["score"]["value"] == contains["a"]["score"]["value"] == 1
        assert exact["b"]["score"]["value"] == 0
        assert contains["b"]["score"]["value"] == pytest.approx(share, abs=1e-6)
        lens = lines(found, scope="lens", target=target, metric="prefix")
        assert lens["a"]["score"]["value"] == 1
        judged = lines(found, scope="sentence", target=target, metric="judge")
        assert judged["a"]["score"]["value"] == 1


def test_equal_answers_are_judged_once_and_a_second_run_sends_nothing(
    probec: Probec, rows: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    real = Extractive.ask

    def ask(self: Extractive, calls, deliver, commit) -> None:  # pyrefly: ignore[implicit-any-parameter]
        kept = [*calls]
        sent.extend(call.key for call in kept)
        real(self, kept, deliver, commit)

    monkeypatch.setattr(Extractive, "ask", ask)
    written = [key for key, row in rows.items() if row["score_status"] == "scored"]
    save(Path("a.jsonl"), ({"probe_id": key, "answer": "the same answer"} for key in written))
    arguments = ("evaluate", "score", SPEC, "a=a.jsonl", "b=a.jsonl", "--out", "out")
    priced = probec.json(*arguments, "--dry-run")
    assert not sent
    probec.json(*arguments)
    first = len(sent)
    probec.json(*arguments)

    assert first == len(sent) == len(written)
    assert f"{len(written)} requests to send" in str(priced["costs"])
    assert not any("a=" in key for key in sent)


def test_every_number_is_computed_again_from_the_scores(
    probec: Probec, rows: dict[str, dict[str, Any]]
) -> None:
    save(Path("a.jsonl"), ({"probe_id": key, "answer": "sea"} for key in rows))
    probec.json("evaluate", "score", SPEC, "a=a.jsonl", "--out", "out")

    assert probec("evaluate", "score", "out", "--check") == 0
    assert "every number follows from its scores" in probec.out
    record = json.loads((OUT / "evaluation.json").read_text(encoding="utf-8"))
    record["results"]["cells"][0]["lines"][0]["score"]["value"] += 0.01
    (OUT / "evaluation.json").write_text(json.dumps(record), encoding="utf-8")
    assert probec("evaluate", "score", "out", "--check") == 1
    assert "results.cells[0].lines[0].score.value is" in probec.out


def test_the_page_holds_every_number_of_the_headline_and_escapes_answers(
    probec: Probec, rows: dict[str, dict[str, Any]]
) -> None:
    evil = "<script>alert(1)</script> & \x07 ‮"
    save(
        Path("a.jsonl"),
        (
            {"probe_id": key, "answer": f"{row['atom_text']}" if n % 2 else evil}
            for n, (key, row) in enumerate(rows.items())
        ),
    )
    save(Path("text.jsonl"), ({"probe_id": k, "answer": evil, "control": "text"} for k in rows))
    found = probec.json(
        *("evaluate", "score", SPEC, "a=a.jsonl", "text=text.jsonl", "--out", "out")
    )
    page = Page((OUT / "report.html").read_text(encoding="utf-8"))
    head, *cells = next(each for each in page.tables if "latent gain" in each[0])
    table = [dict(zip(head, row, strict=True)) for row in cells]

    assert page.tags["script"] == 0
    assert evil[:8] in page.text
    assert not any(name in ("src", "href") and "//" in value for _, name, value in page.attributes)
    word = next(row for row in table if (row["scope"], row["method"]) == ("word", "a"))
    line = lines(found, scope="word", target=word["target"], metric="exact")["a"]
    assert word["score"].startswith(f"{line['score']['value']:.3f}")
    assert word["control"] == "0.000, text by text"
    assert {row["method"] for row in table} == {"a", "text"}
    shown = page.text[page.text.index("Where answers differ") :]
    assert 1 < shown.count("complement at the split") <= 10
    # Six documents are too few for an interval, and every picture says so.
    pictures = page.tags["figure"]
    assert pictures > 4
    assert page.text.count("too few for an interval") == pictures


def test_a_foreign_file_is_scored_as_far_as_its_columns_allow(
    probec: Probec, rows: dict[str, dict[str, Any]], project: Path
) -> None:
    table = pq.read_table(project / "build/datasets/tiny/data")
    kept = ["doc", "scope", "verbalizer_prompt", "context", "atom_text", "doc_id", "target",
            "split_char_offset", "slot_idx", "round_idx"]  # fmt: skip
    pq.write_table(table.select(kept), "foreign.parquet")
    # Ids of a file without them are those of the same rows here.
    save(Path("a.jsonl"), ({"probe_id": k, "answer": r["atom_text"]} for k, r in rows.items()))
    assert probec("evaluate", "score", "foreign.parquet", "a=a.jsonl", "--out", "out") == 0

    for text in (
        "no column bb_answer_rollout_scores: no blind reader, no bands and no gap closed",
        "no column tokenizer: lens atoms are compared by words",
        "no spec names a judge (--spec)",
        "a has no control",
    ):
        assert text in probec.out
    assert "token_f1" in probec.out
    found = probec.json("evaluate", "score", "foreign.parquet", "a=a.jsonl", "--out", "out",
                        "--spec", SPEC)  # fmt: skip
    judged = lines(found, scope="sentence", target="suffix", metric="judge")["a"]
    assert judged["score"]["value"] == 1
    assert judged["gap"] in ("another judge", "no blind scores")


def test_a_foreign_file_without_splits_is_an_error_that_names_the_column(
    probec: Probec, rows: dict[str, dict[str, Any]], project: Path
) -> None:
    table = pq.read_table(project / "build/datasets/tiny/data")
    pq.write_table(table.drop_columns(["split_char_offset"]), "foreign.parquet")

    assert probec("evaluate", "questions", "foreign.parquet") == 1
    assert "no row is a complete probe: the file has no column split_char_offset" in probec.err


def test_predictions_may_be_parquet_and_hold_columns_of_their_own(
    probec: Probec, rows: dict[str, dict[str, Any]]
) -> None:
    keys = sorted(rows)
    table = {"probe_id": keys, "answer": ["x"] * len(keys), "layer": [7] * len(keys)}
    pq.write_table(pa.table(table), "a.parquet")

    assert probec("evaluate", "score", SPEC, "a=a.parquet", "--out", "out") == 0
    pq.write_table(pa.table({**table, "probe_id": ["no", *keys[1:]]}), "a.parquet")
    assert probec("evaluate", "score", SPEC, "a=a.parquet", "--out", "out") == 2
    assert "a.parquet: row 1: unknown probe_id 'no'" in probec.err


def test_only_the_probes_that_a_file_was_asked_about_can_be_missing(
    probec: Probec, rows: dict[str, dict[str, Any]], project: Path
) -> None:
    probec.json("evaluate", "questions", SPEC, "--docs", "2", "--scope", "word")
    head, *asked = [
        json.loads(line) for line in Path("questions.jsonl").read_text("utf-8").splitlines()
    ]
    given = [{"probe_id": each["probe_id"], "answer": "sea"} for each in asked[1:]]
    save(Path("a.jsonl"), given, {"dataset": head["dataset"], "selection": head["selection"]})
    save(Path("b.jsonl"), given)
    found = probec.json("evaluate", "score", SPEC, "a=a.jsonl", "b=b.jsonl", "--out", "out")
    one = [
        lines(found, scope="word", target=target, metric="exact") for target in ("prefix", "suffix")
    ]
    words = sum(row["scope"] == "word" for row in rows.values())

    assert sum(int(str(each["a"]["n"])) for each in one) == len(asked)
    assert sum(int(str(each["a"]["missing"])) for each in one) == 1
    assert sum(int(str(each["b"]["n"])) for each in one) == words
    assert any("b: a file without a first line" in fact for fact in found["facts"])


WRONG: list[tuple[str, str, str]] = [
    ('{"probe_id": "nope", "answer": "x"}', "unknown probe_id 'nope'", ""),
    ('{"probe_id": ID, "answer": "x"}\n{"probe_id": ID, "answer": "y"}', "is there twice",
     "first in"),
    ('{"probe_id": ID, "choice_logprobs": [[NaN], [-1.0]]}', "not JSON: NaN and Infinity", ""),
    ('{"probe_id": ID, "choice_logprobs": [[0.5], [-1.0]]}', "choice 0 is 0.5", "at most 0"),
    ('{"probe_id": ID, "choice_logprobs": [[-1.0], []]}', "choice 1 has no log probability", ""),
    ('{"probe_id": ID, "choice_logprobs": [[-1.0], [-2.0]], "choice_token_ids": [[1, 2], [3]]}',
     "choice 0 has 2 token ids and 1 log probabilities", ""),
    ('{"probe_id": ID, "answer": "x", "dataset": "00aa"}', "made for another dataset, 00aa", ""),
    ('{"kind": "probec-predictions/1", "dataset": "00aa"}\n{"probe_id": "nope", "answer": "x"}',
     "made for another dataset, 00aa", ""),
    ('{"kind": "probec-questions/1", "dataset": "00aa"}\n{"probe_id": ID, "answer": "x"}',
     "its kind is 'probec-questions/1'", "probec-predictions/1"),
    ('{"probe_id": LENS, "answer": "x", "tokenizer": "bpe@0"}', "its tokenizer is bpe@0", "cut by"),
    ('{"probe_id": ID, "answer": 3}', "not a prediction: Expected `str | null`, got `int`", ""),
    ('{"probe_id": ID, "answer": "x", "control": "zeros"}', "Invalid enum value 'zeros'", ""),
    ('{"answer": "x"}', "missing required field `probe_id`", ""),
    ("not json", "not JSON", "one JSON object a line"),
    ("", "it has no predictions", ""),
    ('{"kind": "probec-predictions/1", "selection": {"scopes": ["wrd"]}}\n{"probe_id": ID}',
     "its selection has no probe of this dataset", "copy the selection"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message", "hint"), WRONG)
def test_a_wrong_row_is_one_error_with_its_line(
    probec: Probec, rows: dict[str, dict[str, Any]], text: str, message: str, hint: str
) -> None:
    word = next(key for key in sorted(rows) if rows[key]["scope"] == "word")
    lens = next(key for key in sorted(rows) if rows[key]["scope"] == "lens")
    text = text.replace("ID", json.dumps(word)).replace("LENS", json.dumps(lens))
    Path("a.jsonl").write_text(text.replace('"probe_id"', '"probe_id"') + "\n", encoding="utf-8")

    assert probec("evaluate", "score", SPEC, "a=a.jsonl", "--out", "out") == 2
    problems = probec.err.strip().splitlines()
    last = len(text.splitlines())
    place = f"a.jsonl:{1 if 'kind' in text else last}: " if text else "a.jsonl: "
    assert [place in each and message in each for each in problems[:1]] == [True], problems
    assert hint in problems[0]
    assert len(problems) == 1
    assert not OUT.exists()


def test_predictions_outside_of_the_selection_of_their_file_are_errors(
    probec: Probec, rows: dict[str, dict[str, Any]]
) -> None:
    ids = {str(row["scope"]): key for key, row in rows.items()}
    head: dict[str, Any] = {**HEAD, "selection": {"scopes": ["lens"]}}
    save(
        Path("a.jsonl"),
        [head, {"probe_id": ids["lens"]}, head, {"probe_id": ids["word"]}, {**HEAD}],
    )

    assert probec("evaluate", "score", SPEC, "a=a.jsonl", "--out", "out") == 2
    outside, late = probec.err.strip().splitlines()
    assert f"a.jsonl:4: probe {ids['word']} is not in the selection of the first line" in outside
    assert "a.jsonl:5: it differs from the first line, or stands behind predictions" in late


def test_methods_without_any_of_the_chosen_probes_are_an_error(
    probec: Probec, rows: dict[str, dict[str, Any]]
) -> None:
    lens = next(key for key in sorted(rows) if rows[key]["scope"] == "lens")
    save(Path("a.jsonl"), [{"probe_id": lens}], {"selection": {"scopes": ["lens"]}})

    arguments = ("evaluate", "score", SPEC, "a=a.jsonl", "--scope", "word", "--out", "out")
    assert probec(*arguments) == 2
    assert "no method was asked about any of these probes" in probec.err
    assert not OUT.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((SPEC,), "no predictions are named"),
        ((SPEC, "a.jsonl"), "is not NAME=FILE"),
        ((SPEC, "a=none.jsonl"), "no such file"),
        ((SPEC, "a=a.jsonl", "--baseline", "b"), "--baseline b is none of the methods"),
        (("none.parquet", "a=a.jsonl"), "no parquet file there"),
        (("out", "--check"), "no evaluation there"),
    ],
)
def test_bad_usage_names_the_remedy(
    probec: Probec,
    rows: dict[str, dict[str, Any]],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    save(Path("a.jsonl"), [{"probe_id": next(iter(rows)), "answer": "x"}])

    assert probec("evaluate", "score", *arguments) in (1, 2)
    assert message in probec.err


def test_a_method_without_probes_in_the_chosen_scopes_is_left_out(
    probec: Probec, rows: dict[str, dict[str, Any]]
) -> None:
    probec.json("evaluate", "questions", SPEC, "--scope", "word", "--docs", "3")
    head, *asked = [
        json.loads(line) for line in Path("questions.jsonl").read_text("utf-8").splitlines()
    ]
    given = [{"probe_id": each["probe_id"], "answer": "sea"} for each in asked]
    save(Path("a.jsonl"), given, {"dataset": head["dataset"], "selection": head["selection"]})
    save(Path("b.jsonl"), ({"probe_id": key, "answer": "sea"} for key in rows))
    both = ("a=a.jsonl", "b=b.jsonl", "--out", "out")
    found = probec.json("evaluate", "score", SPEC, *both, "--scope", "lens")
    words = probec.json("evaluate", "score", SPEC, *both, "--scope", "word", "--docs", "5")

    assert set(lines(found, scope="lens", target="suffix", metric="prefix")) == {"b"}
    # Its three documents are those of the whole dataset, not three of the five.
    one = [lines(words, scope="word", target=target, metric="exact")["a"] for target in
           ("prefix", "suffix")]  # fmt: skip
    kept = probec.json("evaluate", "questions", SPEC, "--scope", "word", "--docs", "5")["rows"]
    assert sum(int(str(each["n"])) for each in one) == len(asked) < int(str(kept))


def test_a_judge_is_the_same_for_equal_leading_references_in_every_scope(tmp_path: Path) -> None:
    def judge(compare: str) -> str:
        variant = Variant(ROOT / "specs/demo.yaml", (f"scoring.compare={compare}",))
        return judge_of(opening.project(variant, tmp_path))

    assert judge("{default: atom_text, whole: both}") == judge("both") == judge("atom_text")
    own = judge("{default: atom_text, whole: target_response}")
    assert own not in (judge("atom_text"), judge("target_response"))
