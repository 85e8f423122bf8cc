"""Client of one batch, run as `python steadybatch_client.py BASE_URL COUNT`; prints its results."""

from __future__ import annotations

import json
import sys

from anthropic import Anthropic
from steadybatch import Request, Runner  # pyrefly: ignore[missing-import]
from steadybatch.providers.anthropic_batch import AnthropicBatch  # pyrefly: ignore[missing-import]


def main(base_url: str, count: int) -> None:
    """Send one batch and print its results."""
    with Anthropic(base_url=base_url, max_retries=0) as client:
        runner = Runner(
            AnthropicBatch(client),
            "claude-haiku-4-5-20251001",
            checkpoint=":memory:",
            max_attempts=1,
            max_submit_retries=0,
            poll_every=0.2,
            timeout=60.0,
        )
        asked = [
            Request(
                key=f"row-{number}",
                messages=[{"role": "user", "content": f"Question {number}"}],
                max_tokens=256,
            )
            for number in range(count)
        ]
        report = runner.run(asked)
    found = {each.key: [each.outcome.value, each.text] for each in report.results}
    sys.stdout.write(json.dumps({"batches": report.batches_submitted, "results": found}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
