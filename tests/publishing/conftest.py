"""A loopback Hub, and a built dataset to push to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.hub import TOKEN, LoopbackHub, serving


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LoopbackHub]:
    """Run a loopback Hub in place of the real one."""
    from huggingface_hub import close_session, constants
    from huggingface_hub.utils import _http

    with serving() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        template = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        # The library waits between its tries.
        monkeypatch.setattr(_http, "time", SimpleNamespace(sleep=lambda seconds: None))
        yield server
        close_session()


def publishing(project: Path, settings: str) -> Path:
    """Declare more of what is published, in the spec of the built dataset."""
    spec = project / "specs/tiny.yaml"
    with spec.open("a", encoding="utf-8") as out:
        out.write("".join(f"  {line}\n" for line in settings.splitlines()))
    return spec
