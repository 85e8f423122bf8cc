"""Locks whose requests or outputs were not made from their own texts: `verify` finds them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from compiler.probes import tokens
from compiler.probes.tokens import Tokenizer, TokenizerFile
from compiler.rounds.locks import seal
from compiler.stages import judge
from compiler.templating import syntax
from tests.conftest import Probec
from tests.e2e.test_edits import FEW, TOKENIZER, edited
from tests.e2e.test_rounds import build, locks


def verified(probec: Probec, code: int, hash_: str) -> dict[str, Any]:
    assert probec("verify", hash_, "--json") == code, probec.out + probec.err
    found: dict[str, Any] = json.loads(probec.out)
    return found


def swap(patch: pytest.MonkeyPatch, name: str) -> None:
    """Use another text than the one that is hashed and locked, as earlier versions could."""
    if name == TOKENIZER:
        load = tokens.load

        def loaded(file: TokenizerFile) -> Tokenizer:
            data = edited(name, file.data)
            return load(TokenizerFile(file.name, file.path, file.digest, data))

        patch.setattr(tokens, "load", loaded)
    else:
        trimmed = syntax.trimmed
        patch.setattr(
            syntax,
            "trimmed",
            lambda each, text: trimmed(each, text) + ("\nSwapped." if each == name else ""),
        )


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("generator/base/user.j2", "requests of generate 0.0"),
        ("answerer/base/system.j2", "requests of answer 0.0"),
        ("judge/base/system.j2", "requests of judge 0.0"),
        ("probes/word.j2", "outputs of expand 0.0: probes"),
        (TOKENIZER, "outputs of expand 0.0: probes"),
    ],
)
def test_a_lock_made_with_swapped_texts_is_found(
    name: str, what: str, probec: Probec, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        swap(patch, name)
        (first,) = build(probec, *FEW)
    found = verified(probec, 6, first)

    assert found["verdict"] == "inconsistent"
    assert {each["kind"] for each in found["findings"]} == {"texts"}
    assert found["findings"][0]["what"].startswith(what)
    assert f"probec reproduce {first[:12]}" in found["findings"][0]["remedy"]
    assert found["findings"][0]["what"].endswith("not those that the lock's texts give")
    assert probec("reproduce", first) == 6


@pytest.mark.usefixtures("tiny")
def test_a_lock_whose_texts_are_not_those_that_its_stages_declare_is_found(
    probec: Probec, project: Path
) -> None:
    lock = locks(project)[0]
    texts = {**lock.identity.templates}
    texts["prompts/judge/base/system.j2"] += "\nSwapped."
    made = seal(replace(lock.identity, templates=texts), lock.recorded)
    folder = project / "build/rounds/tiny"
    (folder / lock.file).unlink()
    (folder / made.file).write_bytes(made.encode())
    found = verified(probec, 6, made.hash)

    assert found["findings"][0]["what"] == (
        "the text of judge/base/system.j2 is not the one that stage judge declares"
    )


@pytest.mark.usefixtures("tiny")
def test_verify_states_what_it_rendered_and_what_it_could_not(
    probec: Probec, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = locks(project)[0]
    whole = verified(probec, 0, lock.hash)["looked_at"]
    assert whole["requests"] == sum(use.count for use in lock.identity.requests.values())
    assert set(whole["rendered"]) == {*lock.identity.requests, "expand 0.0"}
    assert whole["unchecked"] == []
    assert probec("verify", lock.hash) == 0
    assert f"{whole['requests']:,} requests rendered again from the lock's texts" in probec.out

    with monkeypatch.context() as patch:
        patch.setattr(judge, "VERSION", judge.VERSION + 1)
        moved = verified(probec, 0, lock.hash)["looked_at"]
    assert len(moved["unchecked"]) == 1
    assert "the texts of judge 0.0" in moved["unchecked"][0]
    assert "declares the stage otherwise (judge.version: " in moved["unchecked"][0]
    assert set(whole["rendered"]) - set(moved["rendered"]) == {"judge 0.0", "judge 0.1"}

    key = lock.recorded.steps["sample 0.1"]
    (project / f"build/steps/{key[:2]}/{key}.json").unlink()
    some = verified(probec, 0, lock.hash)["looked_at"]
    assert "generate 0.0" in some["rendered"]
    assert "generate 0.1" not in some["rendered"]

    for name in ("objects", "steps"):
        shutil.rmtree(project / "build" / name)
    none = verified(probec, 0, lock.hash)["looked_at"]
    assert (none["requests"], none["rendered"]) == (0, [])
    assert "the build directory lacks their inputs" in none["unchecked"][0]
    assert probec("verify", lock.hash) == 0
    assert "not checked: the texts of generate 0.0, generate 0.1" in probec.out
