"""Packed columns equal those gathered from the rows."""

from __future__ import annotations

import msgspec
import numpy as np

from compiler.records import ProbeFact
from compiler.statistics.observations import BLOCK, Observations, gather, joined
from compiler.statistics.packing import Packed, Packer, unpack

WIDE = 3 * 10**9


def fact(n: int) -> ProbeFact:
    scored = n % 3 == 0
    return ProbeFact(
        n % 2, f"d{n // 5:04d}é", n, "word" if n % 2 else "sentence", "suffix",
        None if n % 4 else "typical", "scored" if scored else "local",
        (0.1, n / BLOCK) if scored else None, (0.5,) if n == 6 else None,
        {"no_context": (0.25,)} if n == 3 else {}, ("V14",) if n % 7 == 0 else (), n % 5 == 0,
        None, -1 + n % 200, f"q{n}" if scored else None, WIDE if n == 4 else n, (9, 8, 7, None),
        "line", "human", None, (n, n + 1) if n % 2 else None,
    )  # fmt: skip


def test_records_of_some_thousand_rows_hold_the_columns_of_all_rows() -> None:
    facts = [fact(n) for n in range(2 * BLOCK + 11)]
    records: list[Packed] = []
    packer = Packer(records.append)
    for each in facts:
        packer.append(each)
    packer.flush()
    assert len(records) == 3
    stored = [msgspec.json.decode(msgspec.json.encode(each), type=Packed) for each in records]
    found, wanted = joined(map(unpack, stored)), gather(facts)
    for name in Observations.__struct_fields__:
        one, other = getattr(found, name), getattr(wanted, name)
        if isinstance(other, np.ndarray):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
    assert found.flags == wanted.flags
    assert found.ids(np.array([0, 12])).tolist() == ["d0000é", "d0002é"]
    assert list(found.baselines) == ["no_context"]
    np.testing.assert_array_equal(found.baselines["no_context"], wanted.baselines["no_context"])


def test_no_rows_are_no_record() -> None:
    records: list[Packed] = []
    Packer(records.append).flush()
    assert records == []
    assert len(joined([])) == 0
