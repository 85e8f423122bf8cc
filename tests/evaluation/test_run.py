"""`probec evaluate run`: text-only controls, fresh answers, log probabilities, scores again."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compiler import embedded
from compiler.evaluation import completions
from compiler.llm.providers.extractive import Extractive
from tests.conftest import Probec
from tests.evaluation.completions import cut, log_of, served
from tests.evaluation.test_questions import lines, published
from tests.llm.desk import MODEL

SPEC = "specs/tiny.yaml"
DATA = "build/datasets/tiny/data"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Collect the bodies that the embedded model is sent."""
    bodies: list[bytes] = []
    real = Extractive.ask

    def ask(self: Extractive, calls, deliver, commit) -> None:  # pyrefly: ignore[implicit-any-parameter]
        kept = [*calls]
        bodies.extend(call.body for call in kept)
        real(self, kept, deliver, commit)

    monkeypatch.setattr(Extractive, "ask", ask)
    return bodies


def seen(body: bytes) -> str:
    return str(json.loads(body)["user"])


@pytest.mark.usefixtures("tiny")
def test_a_text_control_sees_the_complement_only_and_is_answered_once(
    probec: Probec, project: Path, sent: list[bytes]
) -> None:
    rows = published(project)
    words = [row for row in rows.values() if row["scope"] == "word"]
    arguments = ("evaluate", "run", SPEC, "text", "--provider", "extractive", "--scope", "word")
    made = probec.json(*arguments)
    head, *found = lines(Path(str(made["out"])))
    first = len(sent)
    probec.json(*arguments, "--rollouts", "2")

    assert {each["probe_id"] for each in found} == {row["probe_id"] for row in words}
    assert all(each["control"] == "text" for each in found)
    assert head["reader"] == {"provider": "extractive", "model": embedded.MODEL,
                              "prompt": "answerer/base"}  # fmt: skip
    assert first == len(words)
    # Two rollouts need one more answer each.
    assert len(sent) == 2 * first
    documents = {str(row["doc"]).replace("&", "&amp;") for row in words}
    assert not any(document in seen(body) for body in sent for document in documents)
    scored = probec.json("evaluate", "score", SPEC, f"text={made['out']}", "--out", "out")
    assert scored["results"]["cells"]


@pytest.mark.usefixtures("tiny")
def test_scoring_again_by_the_same_models_gives_the_same_file_for_free(
    probec: Probec, project: Path, sent: list[bytes]
) -> None:
    made = probec.json("evaluate", "run", SPEC, "again", "--rescore")
    before, after = pq.read_table(project / DATA), pq.read_table(str(made["out"]))

    assert not sent
    assert after.schema.equals(before.schema)
    assert after.equals(before)


@pytest.mark.usefixtures("tiny")
def test_a_foreign_file_gets_scores_and_keeps_its_columns(
    probec: Probec, project: Path, sent: list[bytes]
) -> None:
    table = pq.read_table(project / DATA)
    kept = ["doc", "scope", "verbalizer_prompt", "context", "atom_text", "doc_id", "target",
            "split_char_offset", "slot_idx", "round_idx", "incorrect_plausible_answer"]  # fmt: skip
    own = pa.array(range(len(table)), pa.int32())
    pq.write_table(table.select(kept).append_column("mine", own), "foreign.parquet")
    arguments = ("evaluate", "run", "foreign.parquet", "again", "--rescore", "--spec", SPEC)
    made = probec.json(*arguments, "--rollouts", "2")
    found = pq.read_table(str(made["out"]))
    first = table.column("bb_answer_rollout_scores").to_pylist()

    # The build's own requests: the first two of its five rollouts.
    assert not sent
    assert found.column("bb_answer_rollout_scores").to_pylist() == [
        each[:2] if each is not None else None for each in first
    ]
    assert found.column("mine").equals(pa.chunked_array([own]))
    assert found.column("score_status").to_pylist() == table.column("score_status").to_pylist()
    assert set(found.column("k_rollouts").to_pylist()) == {2, None}
    # The judge of the copy is known, so that a gap may be closed.
    data = Path("a.jsonl")
    keys = [row["probe_id"] for row in published(project).values()]
    data.write_text("".join(json.dumps({"probe_id": k, "answer": "x"}) + "\n" for k in keys))
    scored = probec.json(
        *("evaluate", "score", str(made["out"]), "a=a.jsonl", "--spec", SPEC, "--out", "out")
    )
    assert scored["settings"]["same_judge"] is True


@pytest.mark.usefixtures("tiny")
def test_scores_of_another_judge_drop_the_baselines_of_the_first(
    probec: Probec, project: Path
) -> None:
    table = pq.read_table(project / DATA)
    place = table.column_names.index("no_context_scores")
    ones = pa.array([[1.0]] * len(table), pa.list_(pa.float64()))
    table = table.set_column(place, "no_context_scores", ones)
    gold = table.column_names.index("gold_score")
    table = table.set_column(gold, "gold_score", pa.array([1.0] * len(table)))
    pq.write_table(table, "with.parquet")
    made = probec.json(
        *("evaluate", "run", "with.parquet", "b", "--rescore", "--spec", SPEC),
        *("--set", "scoring.policy=token_f1"),
    )
    found = pq.read_table(str(made["out"]))

    assert found.column("no_context_scores").null_count == len(found)
    assert found.column("gold_score").null_count == len(found)
    assert set(found.column("judge_model").to_pylist()) == {None}


@pytest.mark.usefixtures("tiny")
def test_fresh_answers_follow_the_samples_that_selected_the_band(
    probec: Probec, project: Path, sent: list[bytes]
) -> None:
    rows = published(project)
    hard = [row for row in rows.values() if row["band"] == "hard"]
    made = probec.json("evaluate", "run", SPEC, "fresh", "--fresh", "2")
    head, *found = lines(Path(str(made["out"])))

    assert head["fresh"] is True
    assert head["selection"]["bands"] == ["hard"]
    assert len(found) == len(sent) == 2 * len(hard)
    scored = probec.json(
        *("evaluate", "score", SPEC, f"blind={made['out']}", f"m={made['out']}", "--out", "out")
    )
    assert scored["inputs"]  # both are readers; neither is a method


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("echoes", [True, False])
def test_log_probabilities_are_those_of_the_server_in_either_dialect(
    probec: Probec, project: Path, echoes: bool
) -> None:
    rows = published(project)
    with served(echoes=echoes) as (address, bodies):
        arguments = ("evaluate", "run", SPEC, "lm", "--logprobs", address, "--model", "known")
        made = probec.json(*arguments, "--scope", "word", "--docs", "2")
        first = len(bodies)
        probec.json(*arguments, "--scope", "word", "--docs", "2")
        assert len(bodies) == first
    _, *found = lines(Path(str(made["out"])))
    probec.json("evaluate", "questions", SPEC, "--choices", "--scope", "word", "--docs", "2")
    _, *asked = lines(Path("questions.jsonl"))
    choices = {each["probe_id"]: each["choices"] for each in asked}

    assert len(found) == len(choices)
    straddling = set()
    for each in found:
        row = rows[str(each["probe_id"])]
        word = "follows" if row["target"] == "suffix" else "came before"
        assert each["control"] == "text"
        for choice, logs in zip(choices[each["probe_id"]], each["choice_logprobs"], strict=True):
            ends = [str(b["prompt"]) for b in bodies if str(b.get("prompt", "")).endswith(choice)]
            texts = ends if echoes else [
                str(b["content"]) for b in bodies if str(b.get("content", "")).endswith(choice)
            ]  # fmt: skip
            text = next(t for t in texts if str(row["verbalizer_prompt"]) in t and word in t)
            prompt = text[: len(text) - len(choice) - 1]
            assert prompt.endswith("Answer:")
            # Tokens of three characters: those that end behind the prompt are the answer's.
            tokens, reach = cut(text), 0
            wanted = []
            for token in tokens:
                if reach + len(token) > len(prompt):
                    wanted.append(log_of(token))
                    straddling.add(reach < len(prompt))
                reach += len(token)
            assert logs == wanted
    assert any(each.get("straddle") for each in found) == (True in straddling)


@pytest.mark.usefixtures("tiny")
def test_a_busy_server_is_asked_again_and_an_unusable_one_named(
    probec: Probec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completions, "_SLOTS_BUSY", 0.0)
    arguments = (
        "evaluate",
        "run",
        SPEC,
        "lm",
        "--model",
        "known",
        "--scope",
        "word",
        "--docs",
        "1",
    )
    with served(echoes=True, busy=2) as (address, _):
        assert probec(*arguments, "--logprobs", address) == 0
    with served(echoes=True) as (address, _):
        assert probec(*arguments[:-1], "2", "--logprobs", f"{address}/none") == 1
        assert "the completions server cannot be used: HTTP 404" in probec.err
    assert probec(*arguments[:-1], "2", "--logprobs", "http://127.0.0.1:9") == 1
    assert "ConnectError" in probec.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((DATA, "x"), 2, "a reader needs a spec"),
        ((SPEC, "a/x"), 2, "'a/x' is not a name"),
        ((SPEC, "x", "--provider", "none"), 2, "unknown provider 'none'"),
        ((SPEC, "x", "--rescore", "--docs", "1"), 2, "--rescore copies all rows"),
        ((SPEC, "x", "--fresh", "1", "--rollouts", "2"), 2, "own answerer N times"),
        ((SPEC, "x", "--logprobs", "http://127.0.0.1:9"), 2, "name of the server's model"),
        ((SPEC, "x", "--provider", "anthropic", "--model", MODEL), 3, "exceed the budget"),
        ((SPEC, "x", "--provider", "anthropic", "--model", "unpriced"), 2, "unpriced"),
    ],
)
@pytest.mark.usefixtures("tiny")
def test_bad_options_and_budgets_stop_before_a_request(
    probec: Probec,
    sent: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")

    assert probec("evaluate", "run", *arguments) == code
    assert message in probec.err
    assert not sent


@pytest.mark.usefixtures("tiny")
def test_a_priced_completions_server_is_within_the_budget(probec: Probec) -> None:
    with served(echoes=True) as (address, bodies):
        arguments = ("evaluate", "run", SPEC, "lm", "--logprobs", address, "--model", MODEL)
        assert probec(*arguments, "--scope", "word") == 3
        assert "exceed the budget of $0.00" in probec.err
        assert not bodies
        paid = ("--set", "budget.max_usd=5", "--docs", "1")
        # Another budget is no other build.
        assert probec(*arguments, "--scope", "word", *paid) == 0, probec.err
        assert bodies


@pytest.mark.usefixtures("tiny")
def test_a_dry_run_prices_the_requests_and_writes_nothing(probec: Probec) -> None:
    found = probec.json(
        *("evaluate", "run", SPEC, "x", "--provider", "anthropic", "--model", MODEL),
        *("--scope", "word", "--dry-run", "--out", "x.jsonl"),
    )

    assert "requests to send, 0 in the log, expected cost $0." in str(found["costs"])
    assert "expected cost $0.00" not in str(found["costs"])
    assert not Path("x.jsonl").exists()
