"""Export for Inspect: samples, and a task that groups scores by scope.

The input is the complement and the question, so that a plain model is a text-only control; a method
that reads hidden states is a model provider of its own, which finds them by the sample's id.
"""

from __future__ import annotations

from collections.abc import Mapping

from compiler.evaluation.exports.format import Format, Material, lines

_TASK = '''"""Probes of {name} as an Inspect task: `inspect eval task.py --model MODEL`."""

import re
import unicodedata
from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import json_dataset
from inspect_ai.scorer import Score, Target, grouped, mean, scorer, stderr
from inspect_ai.solver import TaskState, generate

HERE = Path(__file__).parent


def words(text: str) -> list[str]:
    """Return the words of a text in NFKC, case-folded, without punctuation."""
    return re.findall(r"\\w+", unicodedata.normalize("NFKC", text).casefold())


@scorer(metrics=[mean(), stderr(cluster="doc_id"), grouped(mean(), "scope", all=False)])
def contains():
    """Score 1 if the words of the target are a run in the first words of the answer.

    Paraphrases of written scopes need a judge: `probec evaluate score` uses that of the dataset.
    """

    async def score(state: TaskState, target: Target) -> Score:
        wanted = words(target.text)
        given = words(state.output.completion)[: max(20, 2 * len(wanted))]
        found = bool(wanted) and any(
            given[at : at + len(wanted)] == wanted for at in range(len(given) - len(wanted) + 1)
        )
        return Score(value=float(found), answer=state.output.completion)

    return score


@task
def probes(file: str = "{file}") -> Task:
    """Ask about every probe."""
    dataset = json_dataset(str(HERE / file))
    return Task(dataset=dataset, solver=generate(), scorer=contains())
'''


def _write(material: Material) -> Mapping[str, bytes]:
    found = {}
    for split, items in material.splits.items():
        found[f"{split}.jsonl"] = lines(
            {
                "input": material.prompt(item),
                "target": item.atom,
                "id": item.key,
                "metadata": material.facts(item),
            }
            for item in items
        )
    first = next(iter(found))
    found["task.py"] = _TASK.format(name=material.subject.name, file=first).encode("utf-8")
    return found


FORMAT = Format("samples and a task for Inspect (inspect_ai)", _write)
