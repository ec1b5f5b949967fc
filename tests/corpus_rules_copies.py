"""Which traces of the corpus are copies: all that a file says of a trace begins what another file says of it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from tests.corpus_rules_sessions import list_documents
from tests.corpus_truth import Row, name_conversation, read_rows, text_of

Sayings = dict[str, list[str]]


def count_conversations(corpus: Path, name: str, traces: set[tuple[str, str]]) -> tuple[Counter[str], int]:
    """How many different conversations each trace id of a format stands for, and how many copies there are.

    ``traces``: the (file, trace id) pairs of the table, as only those have messages.
    """
    by_id: dict[str, list[list[str]]] = {}
    for path in sorted(filter(Path.is_file, (corpus / name).rglob("*")), key=Path.as_posix):
        file = path.relative_to(corpus).as_posix()
        for trace_id, sayings in READERS[name](path).items() if any(file == known for known, _ in traces) else ():
            if (file, trace_id) in traces:
                by_id.setdefault(trace_id, []).append(sayings)
    different: Counter[str] = Counter()
    copies = 0
    for trace_id, all_sayings in by_id.items():
        kept: list[list[str]] = []
        for sayings in sorted(all_sayings, key=len, reverse=True):
            is_copy = any(other[: len(sayings)] == sayings for other in kept)
            copies += is_copy
            kept += [] if is_copy else [sayings]
        different[trace_id] = len(kept)
    return different, copies


def read_claude(path: Path) -> Sayings:
    rows = [row for row in read_rows(path, Counter()) if row.get("type") in ("user", "assistant")]
    rows = [row for row in rows if isinstance(row.get("message"), dict) and row["message"].get("content")]
    sidechain = {row["uuid"]: row for row in rows if row.get("isSidechain")}
    sayings: Sayings = {}
    for row in rows:
        sayings.setdefault(name_conversation(row, sidechain), []).append(json.dumps(row["message"], sort_keys=True))
    return sayings


def read_codex(path: Path) -> Sayings:
    rows = read_rows(path, Counter())
    metas = [row["payload"]["id"] for row in rows if row.get("type") == "session_meta"]
    said = [row for row in rows if row.get("type") in ("response_item", "event_msg") or "payload" not in row]
    name = (metas + [row["id"] for row in rows if row.get("id")] + [path.stem])[0]
    return {name: [json.dumps(row.get("payload") or row, sort_keys=True) for row in said]}


def read_atif(path: Path) -> Sayings:
    document = json.loads(path.read_bytes())
    name = document.get("session_id") or document.get("trajectory_id") or path.stem
    return {name: [json.dumps([step["source"], step.get("message")]) for step in document["steps"]]}


def read_hermes(path: Path) -> Sayings:
    sayings: Sayings = {}
    for document in list_documents(path):
        if "messages" in document and "schema_version" not in document:
            told = [message for message in document["messages"] if message["role"] != "session_meta"]
            sayings[document.get("session_id") or document["id"]] = [tell_hermes(message) for message in told]
    return sayings


def tell_hermes(message: Row) -> str:
    calls = [call["function"] for call in message.get("tool_calls") or []]
    return json.dumps([message["role"], text_of(message.get("content")), calls], sort_keys=True)


def read_pi(path: Path) -> Sayings:
    rows = read_rows(path, Counter())
    return {rows[0]["id"]: [json.dumps(row["message"], sort_keys=True) for row in rows if row["type"] == "message"]}


READERS = {"atif": read_atif, "claude_code": read_claude, "codex": read_codex, "hermes": read_hermes, "pi": read_pi}
