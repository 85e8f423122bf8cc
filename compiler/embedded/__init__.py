"""The embedded model `extractive-4`: a rule-based baseline. Free, deterministic, offline.

It reads the prompt of a paid model by its tags, writes real probes from the text, answers by
retrieval from the text it is shown, and judges by lexical overlap. Its atoms share the more words
with the other side, the milder the calibration level. Replies are cached, so a change of rules that
changes replies requires a new model name.
"""

from __future__ import annotations

from compiler.errors import ProviderError

_FAMILY = "extractive-"
MODEL = "extractive-4"
MACHINERY = "the scores of the embedded model show the machinery, not data"
"""The statement of every output that shows such scores."""

TAGS = (
    *("sibling id=", "split group=", "unit slot=", "scope name=", "slot n="),
    "calibration level=",
)
"""The tags that a generator prompt must have, each with its first attribute."""


def is_embedded(model: str) -> bool:
    """Return whether a name is that of the embedded model, of any version."""
    return model.startswith(_FAMILY)


def respond(user: str, sample: int) -> str:
    """Return the embedded model's reply to a prompt, which may depend on the sample index.

    Raises:
        ProviderError: the prompt has no tag of any role.
    """
    from compiler.embedded import answerer, author, judge

    # The tag by which a prompt's role is known, first match first, and the function of that role.
    roles = (
        ("<slots>", author.write),
        ("<reference>", judge.grade),
        ("<passage>", answerer.read),
        ("<context", answerer.answer),
        ("<question>", answerer.guess),
    )
    for tag, part in roles:
        if tag in user:
            return part(user, sample)
    raise ProviderError(
        "the embedded model finds no <slots>, <question> or <reference> tag in the prompt",
        hint="keep the tags of docs/prompts.md in prompt variants",
    )
