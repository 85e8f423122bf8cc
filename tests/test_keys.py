"""Identities: independent of representation, sensitive to every leaf, and pinned."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.keys import Json, bytes_digest, canonical, digest, dotted, request_key
from tests.strategies import json_values, texts

ROOT = Path(__file__).parent.parent
PINNED: dict[str, Json] = {
    "null": None,
    "nested": {"b": [1, 2.5, True, "ä"], "a": {"": None}},
    "float": 1e16,
    "emoji": "👩‍👩‍👧",
}


def test_digests_are_pinned(golden: Callable[[str, str], None]) -> None:
    found = {name: digest("test", value) for name, value in PINNED.items()}
    found["request"] = request_key(b'{"model":"m"}', 3)

    golden("keys.json", json.dumps(found, indent=1) + "\n")


@given(json_values())
def test_canonical_json_reads_back_equal(value: Json) -> None:
    assert value == json.loads(canonical(value))


@given(json_values())
def test_canonical_json_equals_that_of_the_standard_library(value: Json) -> None:
    written = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    assert canonical(value) == written.encode("utf-8")


def test_keys_are_the_same_before_and_after_the_faster_encoder_is_loaded() -> None:
    code = """
import sys
from compiler.keys import digest
value = {"b": [1, "x\u2028\x7f", None, 2**70], "a": {"": True, "c": [0.25, 1e-05, 1e16]}}
before = digest("t", value)
assert "msgspec" not in sys.modules
import msgspec
print(before == digest("t", value))
"""
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    assert found.stdout == "True\n"


def test_every_character_is_written_as_the_standard_library_does() -> None:
    every = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]
    written = json.dumps(every, ensure_ascii=False, separators=(",", ":"))

    assert canonical([*every]) == written.encode("utf-8")


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**40])
def test_large_integers_are_written_in_full(number: int) -> None:
    assert canonical({"n": number}) == b'{"n":%d}' % number


@pytest.mark.parametrize("bound", [0.0, 1e-4, 1e-3, 1.0, 1e15, 1e16, 1e17, 2.0**1023])
def test_floats_beside_a_change_of_notation_are_written_as_python_does(bound: float) -> None:
    beside = [bound, math.nextafter(bound, -1.0), math.nextafter(bound, math.inf)]
    numbers = [*beside, *(-each for each in beside)]

    assert canonical([*numbers]) == f"[{','.join(map(repr, numbers))}]".encode()
    assert [canonical(each) for each in numbers] == [repr(each).encode() for each in numbers]


@given(json_values(), json_values())
def test_two_values_share_a_digest_only_if_they_are_equal_as_json(left: Json, right: Json) -> None:
    same = json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)

    assert same == (digest("t", left) == digest("t", right))


@given(texts, texts, json_values())
def test_the_kind_is_part_of_the_digest(left: str, right: str, value: Json) -> None:
    assert (left == right) == (digest(left, value) == digest(right, value))


def test_key_order_does_not_matter() -> None:
    assert digest("t", {"a": 1, "b": 2}) == digest("t", {"b": 2, "a": 1})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [{1: 2}]}, r"\$\.a\[0\]: key 1 is not a string"),
        ({"a": (1, 2)}, r"\$\.a: tuple has no canonical"),
        ({"a": {"b": b"x"}}, r"\$\.a\.b: bytes has no canonical"),
        ({"a": math.nan}, r"\$\.a: nan has no exact"),
        (["\ud800"], r"\$\[0\]: lone surrogate"),
    ],
)
def test_values_outside_json_are_rejected_with_their_path(value: object, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        canonical(value)


def test_samples_of_one_body_have_different_keys() -> None:
    assert len({request_key(b"{}", sample) for sample in range(5)}) == 5


def test_a_digest_is_the_same_in_processes_with_different_hash_seeds() -> None:
    code = "from compiler.keys import digest; print(digest('t', {'b': [1, 'x'], 'a': None}))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "random")
    }

    assert len(found) == 1


@given(st.binary(max_size=40), st.integers(0, 10_000))
def test_a_request_key_is_the_digest_of_its_body_and_sample(body: bytes, sample: int) -> None:
    payload = {"body": bytes_digest(body), "sample": sample}

    assert request_key(body, sample) == digest("request", payload)


def test_dotted_paths_have_the_syntax_of_overrides() -> None:
    assert dotted(("rounds", 0, "docs")) == "rounds[0].docs"
