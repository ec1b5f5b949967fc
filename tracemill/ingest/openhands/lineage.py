"""Which OpenHands sessions are above one that has a state: those that called it as a sub-agent or began it as a child.

A sub-agent's folder lies in the folder of its caller. A child lies beside the conversation that began it, which the
``meta.json`` of the agent server names; it works on a task that this one gave it, and on its own from then on.

Source: OpenHands/software-agent-sdk 1.58.2, ``openhands/tools/task/manager.py``, ``openhands/tools/delegate/impl.py``
and ``openhands/agent_server/models.py`` (``StoredConversation``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracemill.ingest.documents import read_document
from tracemill.ingest.json_fields import as_record, get_text
from tracemill.ingest.openhands.files import STATE_FILE, find_parent_state, get_folder, read_metadata
from tracemill.ingest.openhands.session import Session
from tracemill.ingest.source import LossLog


def is_state(value: Any) -> bool:
    """Whether a JSON value is the state of a conversation of the SDK."""
    record = as_record(value)
    return isinstance(record.get("execution_status"), str) and "llm" in as_record(record.get("agent"))


def identify(path: Path, state: Mapping[str, Any], log: LossLog) -> Session:
    """A session with its state and what is told beside it, and the sessions above it."""
    told = read_metadata(path, log)
    own_id = _name_folder(state, path)
    above: list[str] = []
    place, named = _find_above(path, told)
    while named is not None:
        try:
            document = as_record(read_document(place, LossLog(path="")))
        except OSError:
            document = {}
        name = _name_folder(document, place) if place.parent.is_dir() else named
        if name in (own_id, *above):  # a circle
            break
        above.append(name)
        place, named = _find_above(place, read_metadata(place, LossLog(path="")))
    parent = above[0] if above else None
    return Session(own_id, path, above[-1] if above else "", parent, state=state, metadata=told)


def _find_above(path: Path, told: Mapping[str, Any]) -> tuple[Path, str | None]:
    """The place of the state of the session above one, and its name there; no name where there is none."""
    place = find_parent_state(path)
    if place is not None:
        return place, place.parent.name
    named = get_text(told, "parent_conversation_id")
    folder = (named or "").replace("-", "")
    return path.parent.parent / (folder if folder.isalnum() else "-") / STATE_FILE, named


def _name_folder(document: Mapping[str, Any], path: Path) -> str:
    own_id = get_text(document, "id") if is_state(document) else None
    return own_id or get_folder(path).name or path.stem
