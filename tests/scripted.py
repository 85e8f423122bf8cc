"""A model that plays all roles by a script, so that statistics can be checked for planted effects.

It writes probes as the embedded model does, answers with the rollout's planted quality in plain
text, and judges by reading that quality back, with planted noise.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial

import pytest
import regex

from compiler import embedded
from compiler.embedded import author, tags
from compiler.probes.sampling import Stream

# The embedded author gives every sample the same reply.
_reply = cache(partial(author.write, sample=0))
_QUALITY = regex.compile(r"quality (\d\.\d\d)")


@dataclass
class Script:
    """`quality(question, rollout)`: of an answer, in [0, 1]. `noise`: half-width of the judge's.

    `leak`: share of the questions that hold their answer. `judged`: number of requests to the
    judge for each prompt.
    """

    quality: Callable[[str, int], float]
    noise: float = 0.0
    leak: float = 0.0
    judged: list[int] = field(default_factory=list)
    answered: int = 0
    blunt: bool = False

    def install(self, patch: pytest.MonkeyPatch) -> Script:
        """Replace the embedded model."""
        patch.setattr(embedded, "respond", self.respond)
        return self

    def respond(self, user: str, sample: int) -> str:
        """Reply to a prompt."""
        if "<slots>" in user:
            return self._written(user, sample)
        if "<reference>" in user:
            return self._verdicts(user, sample)
        self.answered += 1
        question = tags.inner(user, "question")
        if "<passage>" in user:
            return "quality 0.95, from the passage"
        if "<context" not in user:
            return "quality 0.05, from nothing"
        return f"rollout {sample}, quality {self.quality(question, sample):.2f}"

    def _verdicts(self, user: str, sample: int) -> str:
        reference = tags.inner(user, "reference")
        answers = tags.inners(user, "answer")
        self.judged.append(len(answers))
        return "\n".join(self._verdict(reference, each, user, sample) for each in answers)

    def _verdict(self, reference: str, answer: str, user: str, sample: int) -> str:
        found = _QUALITY.search(answer)
        if found is None:
            true = self.blunt or bool(set(answer.split()) & set(reference.split()))
            return "0.90" if true else "0.10"
        off = (2 * Stream("noise", user, sample).uniform() - 1) * self.noise
        return f"{min(1.0, max(0.0, float(found[1]) + off)):.3f}"

    def _written(self, user: str, sample: int) -> str:
        text = _reply(user)
        if not self.leak:
            return text
        reply = json.loads(text)
        for probe in reply["probes"]:
            if "decline" not in probe and Stream("leak", probe["question"]).uniform() < self.leak:
                probe["question"] = f"Is it so that {probe['answer'].rstrip('.?!')}?"[:790]
        return json.dumps(reply, ensure_ascii=False)
