"""Every test of a run has an empty home and temporary folder, no keys and no network but loopback."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.model_server import ServerHandle, running_server
from tests.run.guard.sitecustomize import LOCAL

KEYS = ("NVIDIA_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENROUTER_API_KEY", "TRACEMILL_API_KEY")
_refused: list[str] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in ("socket.connect", "socket.getaddrinfo"):
        return
    address = arguments[1] if event == "socket.connect" else (arguments[0] or "localhost",)
    if isinstance(address, tuple) and not str(address[0]).startswith(LOCAL):
        _refused.append(f"{event} {address}")
        raise PermissionError(f"{event} {address}: the network is closed in tests")


sys.addaudithook(_watch)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The home folder; empty before and after."""
    folder, temporary = tmp_path / "home", tmp_path / "tmp"
    folder.mkdir()
    temporary.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    _refused.clear()
    yield folder
    assert list(folder.iterdir()) == []
    assert list(temporary.iterdir()) == []
    assert not _refused
    assert not (tmp_path / "guard.log").exists()


@pytest.fixture
def server() -> Iterator[ServerHandle]:
    with running_server() as handle:
        yield handle
