"""Scoring options end to end, with a model whose difficulty, noise and leaks are planted."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compiler.llm.responses import ResponseLog
from compiler.probes.sampling import Stream
from tests.conftest import LICENSE, ROOT, Builds, Probec, installed
from tests.e2e.test_build import dataset, edit
from tests.scripted import Script

SPEC = "specs/tiny.yaml"
PLAIN = "scoring.baselines={}", "scoring.anchors=null", "scoring.rejudge=null"


BASELINES = "{no_context: {}, full_information: {}, shuffled_context: {}}"
WHOLE = [
    word
    for value in (
        f"scoring.baselines={BASELINES}",
        # The three probes of a whole side are too few for the default limits.
        "scoring.anchors={min_gap: 0.2, max_wrong: 0.3}",
        "scoring.rejudge={share: 1.0, times: 2}",
    )
    for word in ("--set", value)
]


@pytest.fixture
def whole(project: Path, builds: Builds) -> None:
    """Copy a finished build with baselines and audits into the project."""
    builds.copy(project, ("build", SPEC, *WHOLE))


def options(*values: str) -> list[str]:
    """Return overrides as arguments."""
    return [word for value in (*PLAIN, *values) for word in ("--set", value)]


def build(probec: Probec, *values: str, spec: str = SPEC) -> dict[str, Any]:
    """Build with these options over plain scoring; return the statistics."""
    stats = probec.json("build", spec, *options(*values))["stats"]
    assert isinstance(stats, dict)
    return stats


def quality(question: str, rollout: int) -> float:
    """Depend on the question alone: a third never solved, a third always, a third sometimes."""
    kind = Stream("kind", question).below(3)
    return (0.1, 0.9, 0.9 if Stream("try", question, rollout).uniform() < 0.3 else 0.2)[kind]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    return Script(quality).install(monkeypatch)


def written(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["score_status"] != "local"]


def scores_of(row: dict[str, Any], column: str = "bb_answer_rollout_scores") -> list[float]:
    found = row[column]
    assert isinstance(found, list)
    return found


def test_early_stopping_saves_the_reported_requests_and_can_be_undone(
    probec: Probec, project: Path, script: Script
) -> None:
    build(probec, "scoring.stop={after: 2}")
    stopped = written(dataset(project))
    asked = script.answered
    for row in stopped:
        question = str(row["verbalizer_prompt"])
        first = [quality(question, i) for i in range(2)]
        decided = max(first) >= 0.8
        assert row["score_status"] == ("decided" if decided else "scored")
        assert scores_of(row) == pytest.approx(
            [quality(question, i) for i in range(2 if decided else 5)]
        )
        assert (row["bb_answer_score_max"] is None) == decided
        assert row["band"] == ("easy" if max(scores_of(row)) >= 0.8 else "hard")
    easy = sum(row["score_status"] == "decided" for row in stopped)
    assert easy > 2
    assert asked == 2 * easy + 5 * (len(stopped) - easy)
    assert len(script.judged) == asked

    stats = build(probec)
    assert script.answered == 5 * len(stopped)
    whole = written(dataset(project))
    assert {row["score_status"] for row in whole} == {"scored"}
    assert [row["band"] for row in whole] == [row["band"] for row in stopped]
    fresh = probec.json("build", SPEC, *options(), "--build-dir", str(project / "fresh"))["stats"]
    assert fresh == stats
    assert script.answered == 5 * len(stopped)


def test_every_cell_has_the_same_rollouts_under_early_stopping_and_the_card_agrees(
    probec: Probec, project: Path, script: Script
) -> None:
    # No probe of a side is EASY, so that some cells have no decided row.
    script.quality = lambda question, rollout: (
        0.1 if "as a whole" in question else quality(question, rollout)
    )
    stats = build(probec, "scoring.stop={after: 2}")
    cells = stats["cells"]
    assert isinstance(cells, list)
    rows = written(dataset(project))
    for cell in cells:
        own = [
            scores_of(row)[:2]
            for row in rows
            if cell["scope"] in ("", row["scope"]) and cell["target"] in ("", row["target"])
            and cell["typicality"] in ("", row["typicality"])
        ]  # fmt: skip
        assert len(cell["expected_max"]) == 2
        assert cell["expected_max"][1]["value"] == pytest.approx(
            statistics.mean(max(each) for each in own), abs=1e-6
        )
        if len(own) > 1:
            assert cell["std"] == pytest.approx(
                statistics.stdev(max(each) for each in own), abs=1e-6
            )
    assert {cell["decided"] > 0 for cell in cells} == {True, False}
    assert probec("card", str(installed(probec.root)), "--check") == 0, probec.out


def test_means_under_early_stopping_are_over_the_first_rollouts_of_all_probes(
    probec: Probec, project: Path, script: Script
) -> None:
    stats = build(probec, "scoring.stop={after: 2}")
    pooled = stats["cells"][-1]
    rows = written(dataset(project))
    first = [quality(str(row["verbalizer_prompt"]), i) for row in rows for i in range(2)]

    assert [each["n"] for each in pooled["expected_max"]] == [len(rows)] * 2
    assert pooled["expected_max"][0]["value"] == pytest.approx(sum(first) / len(first), abs=1e-6)
    assert pooled["decided"] + pooled["scored"] == pooled["rows"] == len(rows)


@pytest.mark.parametrize("more", [(), ("scoring.stop={after: 2}",)])
def test_identical_answers_are_judged_once_with_the_option(
    more: tuple[str, ...], probec: Probec, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = Script(lambda question, rollout: 0.9 if rollout == 4 else 0.2)

    def respond(user: str, sample: int) -> str:
        text = planted.respond(user, sample)
        return text.replace(f"rollout {sample}", "the same") if "<context" in user else text

    monkeypatch.setattr("compiler.embedded.respond", respond)
    stats = build(probec, "scoring.identical=once", *more)
    rows = written(dataset(project))

    assert len(planted.judged) == 2 * len(rows)
    assert all(scores_of(row) == pytest.approx([0.2, 0.2, 0.2, 0.2, 0.9]) for row in rows)
    usage = {use["stage"]: use["calls"] for use in stats["build"]["usage"]}
    assert usage["judge"] == 2 * len(rows)
    assert usage["answer"] == 5 * len(rows)


def test_one_call_judges_all_answers_together(
    probec: Probec, project: Path, script: Script
) -> None:
    build(
        probec,
        "scoring.judging=together",
        "models.judge.prompt=judge/together",
        "models.judge.max_tokens=64",
    )
    rows = written(dataset(project))

    assert script.judged == [5] * len(rows)
    for row in rows:
        expected = [quality(str(row["verbalizer_prompt"]), i) for i in range(5)]
        assert scores_of(row) == pytest.approx(expected)


def test_a_wrong_number_of_verdicts_fails_all_of_them(
    probec: Probec, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = Script(quality)

    def respond(user: str, sample: int) -> str:
        text = planted.respond(user, sample)
        return "\n".join(text.splitlines()[:-1]) if "<reference>" in user else text

    monkeypatch.setattr("compiler.embedded.respond", respond)
    build(
        probec,
        "scoring.judging=together",
        "models.judge.prompt=judge/together",
        "models.judge.max_tokens=64",
        "max_lost=1",
    )

    assert {row["score_status"] for row in written(dataset(project))} == {"judge_failed"}


def test_both_references_are_judged_and_published(probec: Probec, project: Path) -> None:
    build(probec, "scoring.compare=both")
    both = written(dataset(project))
    build(probec, "scoring.compare=target_response")
    response = written(dataset(project))
    build(probec)
    atom = written(dataset(project))

    for row, by_response, by_atom in zip(both, response, atom, strict=True):
        assert scores_of(row) == scores_of(by_atom)
        assert scores_of(row, "bb_answer_response_scores") == scores_of(by_response)
        assert by_atom["bb_answer_response_scores"] is None


def test_one_scope_is_judged_against_both_references(
    probec: Probec, project: Path, script: Script
) -> None:
    anchors = "scoring.anchors={min_gap: 0, max_wrong: 1}"
    build(probec, anchors)
    before = len(script.judged)
    stats = build(probec, anchors, "scoring.compare={default: atom_text, whole: both}")
    rows = written(dataset(project))
    both = {row["scope"] for row in rows if row["bb_answer_response_scores"] is not None}
    whole = [row for row in rows if row["scope"] == "whole"]
    means = {cell["scope"]: cell["second"] for cell in stats["cells"]}

    assert both == {"whole"}
    # The verdicts against the atoms, of all scopes, are in the log; anchors get no second ones.
    assert len(script.judged) - before == 5 * len(whole)
    assert means.pop("whole") is not None
    assert set(means.values()) == {None}
    assert (
        "against `atom_text` (sentence, paragraph) or `atom_text` and, separately, "
        "`target_response` (whole). With two references, "
    ) in (installed(project) / "README.md").read_text(encoding="utf-8")
    assert probec("card", "--check", str(installed(project))) == 0, probec.out


@pytest.mark.parametrize("policy", ["token_f1", "exact_match"])
def test_a_local_policy_sends_no_judge_requests(
    probec: Probec, project: Path, policy: str, script: Script
) -> None:
    stats = build(probec, f"scoring.policy={policy}")
    rows = written(dataset(project))

    assert not script.judged
    assert all(len(scores_of(row)) == 5 for row in rows)
    assert {row["judge_model"] for row in rows} == {None}
    assert {use["stage"] for use in stats["build"]["usage"]} == {"generate", "answer"}
    assert probec("prompt", SPEC, "--role", "judge", *options(f"scoring.policy={policy}")) == 2
    assert "has no judge" in probec.err


def test_a_local_policy_scores_baselines_too(probec: Probec, project: Path) -> None:
    build(probec, "scoring.policy=token_f1", "scoring.baselines={full_information: {rollouts: 2}}")
    rows = written(dataset(project))

    informed = [scores_of(row, "full_information_scores") for row in rows]
    blind = [scores_of(row) for row in rows]
    assert all(len(each) == 2 for each in informed)
    assert sum(map(sum, informed)) / 2 > sum(map(sum, blind)) / 5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("scoring.policy=token_f1", "scoring.rejudge={}"), "has no judge"),
        (("scoring.policy=token_f1", "scoring.identical=once"), "has no judge"),
        (("scoring.stop={after: 5}",), "must be below rollouts"),
        (("scoring.judging=together",), "undefined variable 'answer'"),
        (
            ("scoring.judging=together", "models.judge.prompt=judge/together"),
            "too few for 5 numbers",
        ),
        (("scoring.baselines={no_context: {prompt: answerer/base}}",), "undefined variable"),
        (("scoring.baselines={no_context: {prompt: answerer/none}}",), "no such prompt"),
        (("scoring.policy=vibes",), "unknown policy"),
    ],
)
def test_invalid_scoring_options_are_found_before_anything_runs(
    probec: Probec, values: tuple[str, ...], message: str
) -> None:
    assert probec("check", SPEC, *options(*values)) == 2
    assert message in probec.err


def test_baselines_read_other_contexts_for_the_same_questions(
    probec: Probec, project: Path, script: Script
) -> None:
    baselines = "{no_context: {rollouts: 2}, full_information: {}, shuffled_context: {share: 0.5}}"
    stats = build(probec, f"scoring.baselines={baselines}")
    rows = written(dataset(project))

    assert all(scores_of(row, "no_context_scores") == [0.05, 0.05] for row in rows)
    assert all(scores_of(row, "full_information_scores") == [0.95] for row in rows)
    shuffled = [row for row in rows if row["shuffled_context_scores"] is not None]
    assert 0.2 < len(shuffled) / len(rows) < 0.8
    pooled = stats["cells"][-1]
    found = {each["name"]: each for each in pooled["baselines"]}
    blind = sum(sum(scores_of(row)) / 5 for row in rows) / len(rows)
    assert found["no_context"]["gap"]["value"] == pytest.approx(0.05 - blind, abs=1e-6)
    assert found["full_information"]["gap"]["value"] == pytest.approx(0.95 - blind, abs=1e-6)
    assert found["shuffled_context"]["rows"] == len(shuffled)


@pytest.mark.usefixtures("tiny")
def test_adding_baselines_repeats_no_request(probec: Probec, project: Path, script: Script) -> None:
    log = ResponseLog(project / ".probec/responses.sqlite")
    before, probes = len(log), len(written(dataset(project)))
    build(probec, "scoring.baselines={no_context: {}}", "scoring.rejudge={share: 1.0, times: 3}")

    # One answer and one verdict for the baseline; two more verdicts on each of five answers.
    assert len(log) - before <= probes * (1 + 1 + 2 * 5)
    assert len(log) - before > probes * (1 + 2 * 5)


def test_the_score_of_the_truth_is_a_column_of_the_rows_that_have_anchors(
    probec: Probec, project: Path, script: Script
) -> None:
    build(probec, "scoring.anchors={share: 0.5, min_gap: 0.0, max_wrong: 1.0}")
    rows = written(dataset(project))
    lines = (installed(project) / "audits.jsonl").read_text(encoding="utf-8").splitlines()
    audits = map(json.loads, lines)
    gold = {(a["doc_id"], a["slot"]): a["scores"][0] for a in audits if a["kind"] == "gold"}
    found = {(row["doc_id"], row["slot_idx"]): row["gold_score"] for row in rows}

    assert gold
    assert gold == {key: score for key, score in found.items() if score is not None}
    assert None in found.values()
    assert all(row["gold_score"] is None for row in dataset(project) if row not in rows)


def test_a_judge_that_accepts_every_answer_fails_the_build(
    probec: Probec, project: Path, script: Script
) -> None:
    script.blunt = True
    assert probec("build", SPEC, *options("scoring.anchors={}")) == 1
    assert "FAILED: in scope sentence the judge scores the truth only 0.00 above" in probec.out
    assert "FAILED: in scope sentence the judge gives the question itself a mean" in probec.out
    assert "scoring.anchors.max_wrong is 0.2" in probec.out
    assert "probec prompt specs/tiny.yaml --set " in probec.out
    assert " --role judge --reply`) and scoring.compare" in probec.out
    assert "dataset: " in probec.out
    script.blunt = False


def test_planted_difficulty_noise_and_leaks_are_recovered(
    probec: Probec, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check 48 documents: HARD and EASY shares, the judge's noise, and the share of leaks."""
    script = Script(quality, noise=0.15, leak=0.3).install(monkeypatch)
    stats = build(probec, "scoring.rejudge={share: 1.0, times: 3}", spec="specs/demo.yaml")
    rows = written(dataset(project, "demo"))
    assert len(rows) > 150

    def best(row: dict[str, Any]) -> float:
        return max(quality(str(row["verbalizer_prompt"]), i) for i in range(5))

    pooled = stats["cells"][-1]
    for band, planted in (
        ("hard", [best(row) < 0.4 for row in rows]),
        ("easy", [best(row) >= 0.8 for row in rows]),
    ):
        share = sum(planted) / len(planted)
        assert pooled[band]["low"] <= share <= pooled[band]["high"]
    leaking = sum(str(row["verbalizer_prompt"]).startswith("Is it so that") for row in rows)
    flagged = stats["flags"]["V28"]
    assert leaking > 20
    assert leaking <= flagged <= leaking + 0.1 * len(rows)
    # Two uniform errors of +-0.15 differ by 0.1 on average, each has a variance of 0.0075; scores
    # near 0 and 1 are clipped, so a little less.
    again = stats["judge"]["again"]
    assert 0.085 < again["agreement"]["mean_delta"]["value"] < 0.105
    assert 0.006 < again["variance"]["judge"] < 0.0078
    assert (again["probes"], again["times"]) == (len(rows), 3)
    assert script.judged


@pytest.mark.usefixtures("whole")
def test_every_row_number_of_the_card_is_recomputed_independently(
    probec: Probec, project: Path
) -> None:
    """Use plain Python over the parquet rows and none of the compiler's own statistics."""
    folder = installed(project)
    stats = json.loads((folder / "stats.json").read_text(encoding="utf-8"))
    rows = dataset(project)
    card = (folder / "README.md").read_text(encoding="utf-8")

    assert stats["probes"] == len(rows)
    assert stats["documents"] == len({row["doc_id"] for row in rows})
    for cell in stats["cells"]:
        mine = [
            row
            for row in written(rows)
            if cell["scope"] in ("", row["scope"])
            and cell["target"] in ("", row["target"])
            and cell["typicality"] in ("", row["typicality"])
        ]
        maxima = [max(scores_of(row)) for row in mine]
        assert cell["rows"] == len(mine)
        assert cell["documents"] == len({row["doc_id"] for row in mine})
        assert cell["hard_count"] == sum(value < 0.4 for value in maxima)
        assert cell["easy_count"] == sum(value >= 0.8 for value in maxima)
        assert sum(cell["histogram"]) == len(mine)
        assert cell["histogram"][0] == sum(value < 0.2 for value in maxima)
        if mine:
            mean = sum(sum(scores_of(row)) / 5 for row in mine) / len(mine)
            assert cell["expected_max"][0]["value"] == pytest.approx(mean, abs=1e-6)
            assert cell["expected_max"][4]["value"] == pytest.approx(
                sum(maxima) / len(mine), abs=1e-6
            )
            assert cell["hard"]["value"] == pytest.approx(cell["hard_count"] / len(mine), abs=1e-6)
        for each in cell["baselines"]:
            column = f"{each['name']}_scores"
            ran = [row for row in mine if row[column] is not None]
            assert each["rows"] == len(ran)
            own = sum(sum(scores_of(row, column)) for row in ran) / len(ran)
            blind = sum(sum(scores_of(row)) / 5 for row in ran) / len(ran)
            assert each["mean"]["value"] == pytest.approx(own, abs=1e-6)
            assert each["gap"]["value"] == pytest.approx(own - blind, abs=2e-6)
        if mine and not cell["typicality"]:
            line = next(
                line
                for line in card.splitlines()
                if line.startswith(
                    f"| {cell['scope'] or 'all'} | {cell['target'] or 'all'} | {len(mine)} |"
                )
            )
            assert abs(float(line.split("|")[6].split()[0]) - sum(maxima) / len(mine)) < 0.00051
    audits = [json.loads(line) for line in (folder / "audits.jsonl").read_text().splitlines()]
    scopes = {(row["doc_id"], row["slot_idx"]): row["scope"] for row in rows}
    for each in stats["judge"]["anchors"]:
        scores = [
            audit["scores"][0]
            for audit in audits
            if audit["kind"] == each["kind"]
            and scopes[audit["doc_id"], audit["slot"]] == each["scope"]
        ]
        assert each["mean"]["n"] + each["failed"] == len(scores)
        known = [score for score in scores if score is not None]
        assert each["mean"]["value"] == pytest.approx(sum(known) / len(known), abs=1e-6)


@pytest.mark.usefixtures("whole")
def test_counts_of_the_card_are_recomputed_independently(probec: Probec, project: Path) -> None:
    """Recompute rows, rejects, ledger, flags, labels, repeats, lengths and heaps."""
    folder = installed(project)
    stats = json.loads((folder / "stats.json").read_text(encoding="utf-8"))
    card = (folder / "README.md").read_text(encoding="utf-8")
    rows = dataset(project)
    lines = (folder / "rejects.jsonl").read_text(encoding="utf-8").splitlines()
    rejects = [json.loads(line) for line in lines]

    for entry in stats["build"]["ledger"]:
        place = (entry["round"], entry["scope"])
        built = [row for row in rows if (row["round_idx"], row["scope"]) == place]
        lost = [each for each in rejects if (each["round"], each["scope"]) == place]
        assert entry["built"] == len(built)
        assert entry["planned"] == len(built) + len(lost)
        assert entry["statuses"] == Counter(str(row["score_status"]) for row in built)
        found = {s: dict(r) for s, r in entry["rejected"].items()}
        assert {(s, k): n for s, r in found.items() for k, n in r.items()} == Counter(
            (each["stage"], each["reason"]) for each in lost
        )
        scored = sum(row["score_status"] == "scored" for row in built)
        line = f"| {place[0]} | {place[1]} | {entry['planned']} | {len(lost)} | {len(built)} |"
        assert f"{line} {scored} |" in card
    flags = Counter(flag for row in rows for flag in row["flags"])
    assert stats["flags"] == flags
    for flag, count in flags.items():
        assert f"| {flag} | {count} |" in card
    for scope in stats["scopes"]:
        own = [row for row in rows if row["scope"] == scope["scope"]]
        assert scope["targets"] == Counter(str(row["target"]) for row in own)
        labels = Counter(str(row["typicality"]) for row in own if row["typicality"])
        assert scope["typicality"] == labels
    for cell in stats["artefacts"]:
        own = [
            row for row in rows if (row["scope"], row["target"]) == (cell["scope"], cell["target"])
        ]
        asked = Counter(str(row["verbalizer_prompt"]) for row in own if not row["template_id"])
        assert cell["rows"] == len(own)
        assert cell["questions"] == asked.total()
        assert cell["repeated"] == sum(n for n in asked.values() if n > 1)
        truth = "target_response" if cell["scope"] == "whole" else "atom_text"
        ratios = [len(str(row["incorrect_plausible_answer"])) / len(str(row[truth])) for row in own]
        assert cell["length_ratio"] == pytest.approx(statistics.median(ratios), abs=1e-6)
    heaps = Counter(score for row in written(rows) for score in scores_of(row))
    assert stats["judge"]["heaping"]["n"] == heaps.total()
    assert stats["judge"]["heaping"]["distinct"] == len(heaps)
    top = stats["judge"]["heaping"]["top"][0]
    assert heaps[top["value"]] == max(heaps.values())
    pooled = stats["cells"][-1]
    leaks = sum(not {"V14", "V28"}.isdisjoint(row["flags"]) for row in written(rows))
    assert pooled["leak"]["value"] == pytest.approx(leaks / len(written(rows)), abs=1e-6)
    never = sum(max(scores_of(row)) < 0.4 for row in written(rows))
    assert pooled["unsolved"]["rows"] == never


@pytest.mark.usefixtures("whole")
def test_statistics_of_the_files_equal_those_of_the_build(probec: Probec, project: Path) -> None:
    built = probec.json("stats", SPEC, *WHOLE)
    read = probec.json("stats", str(installed(probec.root)))
    file = installed(probec.root) / "data/train-round-000.parquet"
    one = probec.json("stats", str(file))
    locks = probec.json("build", SPEC, *WHOLE)["locks"]
    first = str(locks[0]["hash"])
    assert probec.json("stats", first[:10]) == one
    assert one["judge"]["anchors"]
    edit(project / SPEC, "source_label: extractive", "source_label: other")
    assert probec.json("build", SPEC, *WHOLE)["up_to_date"] is False
    assert probec("stats", first) == 2
    assert "is installed in another version" in probec.err
    assert probec("stats", "abcdef123456") == 2

    assert built.pop("build") is not None
    assert read.pop("build") is None
    assert built == read
    assert 0 < int(str(one["probes"])) < int(str(read["probes"]))


def test_statistics_of_a_third_party_file_need_only_three_columns(
    probec: Probec, project: Path, tmp_path: Path
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = {
        "doc_id": ["a", "a", "b", None],
        "scope": ["sentence", "word", "sentence", "whole"],
        "target": ["suffix", "prefix", "suffix", "prefix"],
        "bb_answer_rollout_scores": [[0.1, 0.9], None, [0.3], [0.5, 7.0]],
        "slot_idx": [10.0, 0.0, None, -1.0],
    }
    file = tmp_path / "foreign.parquet"
    pq.write_table(pa.table(rows), file)
    stats = probec.json("stats", str(file), "--easy", "0.9")
    pq.write_table(pa.table({"doc": ["x"]}), tmp_path / "other.parquet")

    statuses = {each["scope"]: each["statuses"] for each in stats["scopes"]}
    assert statuses == {
        "word": {"local": 1},
        "sentence": {"partial": 1, "scored": 1},
        "whole": {"unscored": 1},
    }
    pooled = stats["cells"][-1]
    assert (pooled["rows"], pooled["easy_count"]) == (1, 1)
    assert probec("stats", str(tmp_path / "other.parquet")) == 1
    assert "no column 'doc_id', 'scope', 'target'" in probec.err
    assert probec("stats", str(ROOT / "README.md")) == 1
    assert probec("stats", str(file), "--hard", "0.9") == 2
    # A third-party stats.json beside the rows states no bands.
    beside = tmp_path / "data" / "x"
    beside.mkdir(parents=True)
    pq.write_table(pa.table(rows), beside / "foreign.parquet")
    (tmp_path / "data/stats.json").write_text('{"rows": 4}', encoding="utf-8")
    assert probec.json("stats", str(beside / "foreign.parquet"))["hard_below"] == 0.4
    assert probec("stats", SPEC, "--hard", "0.9") == 2
    assert "--hard and --easy are for rows in files" in probec.err


@pytest.mark.usefixtures("tiny")
def test_files_without_scores_or_with_odd_types_have_statistics(
    probec: Probec, project: Path, script: Script
) -> None:
    (file, *_) = sorted((installed(project) / "data").glob("*.parquet"))
    table = pq.read_table(file)
    lean = table.drop_columns([n for n in table.column_names if "rollout" in n or "_mean" in n])
    named = table.column_names.index("atom_text")
    coded = table.set_column(named, "atom_text", table["atom_text"].dictionary_encode())
    bare = table.to_pylist()
    for row in bare:
        if row["score_status"] == "scored":
            row.update(score_status="decided", bb_answer_rollout_scores=None)
    answers = table.column_names.index("bb_answer_rollout_answers")
    numbers = table.set_column(answers, "bb_answer_rollout_answers", pa.array([1.0] * len(table)))
    far = table.column_names.index("abs_index")
    large = table.set_column(far, "abs_index", pa.array([1e300] * len(table)))
    for odd in (lean, coded, pa.Table.from_pylist(bare, table.schema), numbers, large):
        pq.write_table(odd, project / "odd.parquet")
        found = probec.json("stats", "odd.parquet")
        assert found["probes"] == len(table)
    for odd in (lean, pa.Table.from_pylist(bare, table.schema)):
        pq.write_table(odd, project / "odd.parquet")
        assert probec.json("stats", "odd.parquet")["cells"][-1]["rows"] == 0


def test_neither_license_nor_language_is_inherited(probec: Probec, project: Path) -> None:
    spec = project / SPEC
    text = (
        spec.read_text(encoding="utf-8")
        .replace(f"  {LICENSE}", "")
        .replace("  languages: [en]\n", "")
    )
    spec.write_text(text, encoding="utf-8")
    assert probec("build", SPEC) == 0
    card = (installed(project) / "README.md").read_text(encoding="utf-8")

    assert 'license: "unknown"' in card
    assert "language:" not in card
