"""Clients killed with SIGKILL when the ledger moves; `benchmarks/kills.py` has all moments."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.kills import BATCH, MOMENTS, shown, trials

_FEW = (
    "after POST, before the response",
    "before the log's commit",
    "after the commit, intent open",
)


@pytest.mark.long
def test_a_killed_client_loses_nothing_and_reports_what_may_be_paid_twice(
    tmp_path: Path, forked_servers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    moments = [each for each in MOMENTS if each.name in _FEW]
    found = trials(1, tmp_path, moments)

    assert len(found) == len(moments) == 5
    for each in found:
        assert each.lost == 0, shown(found)
        assert 0 <= each.extra <= each.reported <= each.extra + 4, shown(found)
        # In batches, only the first request of the shape is live.
        assert each.moment.provider != BATCH or each.extra <= 1, shown(found)
    # A live reply that the server sent and nobody logged is paid for, and reported.
    assert sum(each.extra for each in found) >= 2, shown(found)
