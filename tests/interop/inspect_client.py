"""An exported task under Inspect, run as `python inspect_client.py FOLDER`; prints its results.

A mock model answers the first probes, two of them rightly.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import tiktoken  # pyrefly: ignore[missing-import]
from inspect_ai import eval as evaluate  # pyrefly: ignore[missing-import]
from inspect_ai.model import ModelOutput, get_model  # pyrefly: ignore[missing-import]
from inspect_ai.scorer import SampleScore, Score, stderr  # pyrefly: ignore[missing-import]

ASKED, RIGHT = 5, 2


class _Words:
    """A tokenizer that needs no download."""

    def encode(self, text: str, **_: object) -> list[str]:
        return text.split()

    encode_ordinary = encode


def main(folder: Path) -> None:
    """Load the task, run a few probes, and compute a clustered error."""
    tiktoken.get_encoding = tiktoken.encoding_for_model = lambda _: _Words()
    task = runpy.run_path(str(folder / "task.py"))["probes"]()
    samples = list(task.dataset)
    answers = [
        f"It is {sample.target}." if place < RIGHT else "no such thing"
        for place, sample in enumerate(samples[:ASKED])
    ]
    outputs = [ModelOutput.from_content("mockllm/model", each) for each in answers]
    model = get_model("mockllm/model", custom_outputs=outputs)
    (log,) = evaluate(
        task, model=model, limit=ASKED, max_samples=1, display="none", log_dir=str(folder / "logs")
    )
    scores = [
        SampleScore(
            score=Score(value=float(place % 3 == 0)),
            sample_id=sample.id,
            sample_metadata={"doc_id": sample.metadata["doc_id"]},
        )
        for place, sample in enumerate(samples)
    ]
    found = {
        "status": log.status,
        "samples": {sample.id: sample.target for sample in samples},
        "documents": [sample.metadata["doc_id"] for sample in samples],
        "metrics": {
            name: metric.value
            for score in log.results.scores
            for name, metric in score.metrics.items()
        },
        "stderr": stderr(cluster="doc_id")(scores),
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
