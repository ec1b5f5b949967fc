"""ATIF, Hermes and Pi sessions for the table of rules, read off the raw files."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.corpus_rules_model import Call, Conversation, Said
from tests.corpus_truth import Row, blocks_of, find_path, read_rows, text_of

ATIF_KINDS = {"system": "s", "user": "h", "agent": "m"}
PI_TOLD = ("message", "compaction", "branch_summary", "custom_message")
HERMES_COLUMNS = "role, content, tool_call_id, tool_calls, finish_reason, reasoning_content, reasoning"


def read_atif(path: Path) -> Iterator[Conversation]:
    document = json.loads(path.read_bytes())
    agent = document["agent"]
    talk = Conversation(document.get("session_id") or document.get("trajectory_id") or path.stem)
    talk.tools = len(agent.get("tool_definitions") or [])
    if parent := (agent.get("extra") or {}).get("parent_session_id"):
        talk.parent, talk.is_sidechain, talk.agent_id = parent, True, talk.trace_id
    final = document.get("final_metrics") or {}
    talk.input_tokens = final.get("total_prompt_tokens")
    talk.output_tokens = final.get("total_completion_tokens")
    talk.references = int(bool(document.get("continued_trajectory_ref")))
    for step in document["steps"]:
        count = len(talk.said)
        add_step(talk, step, agent.get("model_name") or "")
        if step.get("is_copied_context"):
            for said in talk.said[count:]:
                said.is_copied = True
                for call in said.calls:
                    if call.result:
                        call.result.is_copied = True
    yield talk


def add_step(talk: Conversation, step: Row, model: str) -> None:
    """A step of an unknown source is the model's where it has what only model steps have: metrics, a model, calls."""
    is_model = bool(step.get("metrics") or step.get("model_name") or step.get("tool_calls"))
    kind = ATIF_KINDS.get(step["source"], "m" if is_model else "i")
    message = step.get("message")
    said = talk.add(kind, text_of(message), images=len(blocks_of(message, "image")))
    if kind == "m":
        said.model = step.get("model_name") or model
        said.reasoning = step.get("reasoning_content") or ""
        calls = step.get("tool_calls") or []
        said.calls = [Call(call["function_name"], call["tool_call_id"], call["arguments"]) for call in calls]
        metrics = step.get("metrics") or {}
        said.input_tokens, said.output_tokens = metrics.get("prompt_tokens"), metrics.get("completion_tokens")
    for result in (step.get("observation") or {}).get("results") or []:
        text = text_of(result.get("content"))
        talk.references += len(result.get("subagent_trajectory_ref") or [])
        waiting = [call.call_id for call in said.calls if call.is_waiting]
        if result.get("source_call_id") or waiting:
            talk.answer(result.get("source_call_id") or waiting[0], text)
        elif text:
            talk.add("i", text)


def read_hermes(path: Path) -> Iterator[Conversation]:
    for document in list_documents(path):
        if "messages" in document and "schema_version" not in document:
            yield build_hermes(document)


def list_documents(path: Path) -> Iterator[Row]:
    if path.suffix == ".db":
        yield from list_stored(path)
    elif path.suffix == ".jsonl":
        rows = read_rows(path, Counter())
        if all("role" in row for row in rows):
            head = next((row for row in rows if row["role"] == "session_meta"), {})
            yield {**head, "session_id": path.stem, "messages": rows}
        else:
            yield from rows
    else:
        yield json.loads(path.read_bytes())


def list_stored(path: Path) -> Iterator[Row]:
    database = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    database.row_factory = sqlite3.Row
    for session in database.execute("SELECT * FROM sessions ORDER BY started_at").fetchall():
        query = f"SELECT {HERMES_COLUMNS} FROM messages WHERE session_id = ? AND active ORDER BY id"
        rows = [dict(row) for row in database.execute(query, (session["id"],))]
        for row in rows:
            row["tool_calls"] = json.loads(row["tool_calls"] or "null")
        yield {**dict(session), "messages": rows}
    database.close()


def build_hermes(document: Row) -> Conversation:
    talk = Conversation(document.get("session_id") or document["id"], parent=document.get("parent_session_id") or "")
    settings = document.get("model_config")
    talk.cwd = document.get("cwd") or (settings.get("cwd", "") if isinstance(settings, dict) else "")
    talk.branch = document.get("git_branch") or ""
    talk.tools = len(document.get("tools") or [])
    if document.get("input_tokens") is not None:
        cached = (document.get("cache_read_tokens") or 0) + (document.get("cache_write_tokens") or 0)
        talk.input_tokens, talk.output_tokens = document["input_tokens"] + cached, document["output_tokens"]
    if document.get("system_prompt"):
        talk.add("s", document["system_prompt"])
    for message in document["messages"]:
        text = text_of(message.get("content"))
        if message["role"] == "assistant":
            turn = talk.add("m", text, stop=message.get("finish_reason") or "")
            turn.reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
            for call in message.get("tool_calls") or []:
                function = call["function"]
                turn.calls.append(Call(function["name"], call.get("id", ""), function["arguments"]))
        elif message["role"] == "tool":
            talk.answer(message.get("tool_call_id"), text, error=has_exit_code(message.get("content")))
        elif message["role"] in ("user", "system"):
            talk.add("h" if message["role"] == "user" else "s", text)
    return talk


def has_exit_code(content: object) -> bool:
    try:
        value = json.loads(str(content))
    except ValueError:
        return False
    return isinstance(value, dict) and bool(value.get("exit_code"))


def read_pi(path: Path) -> Iterator[Conversation]:
    rows = read_rows(path, Counter())
    entries = [row for row in rows if row["type"] in PI_TOLD]
    if "id" in entries[0]:
        path_ids = find_path([row["id"] for row in entries], {row["id"]: row.get("parentId") for row in rows})
        entries = [row for row in entries if row["id"] in path_ids]
    talk = Conversation(rows[0]["id"], cwd=rows[0].get("cwd") or "", parent=rows[0].get("parentSession") or "")
    before: list[tuple[str, Said]] = []
    order = [row.get("id") for row in rows]
    for entry in entries:
        count = len(talk.said)
        if entry["type"] == "message":
            add_pi_message(talk, entry["message"])
        elif entry["type"] == "custom_message":
            talk.add("i", text_of(entry.get("content")))
        else:
            said = talk.add("c", entry["summary"])
            first = order.index(entry["firstKeptEntryId"])
            said.kept = [said] + [old for name, old in before if order.index(name) >= first and old.kind != "c"]
        if len(talk.said) > count and "id" in entry:
            before.append((entry["id"], talk.said[-1]))
    yield talk


def add_pi_message(talk: Conversation, message: Row) -> None:
    content = message.get("content")
    text, images = text_of(content), len(blocks_of(content, "image"))
    if message["role"] == "toolResult":
        talk.answer(message["toolCallId"], text, error=bool(message.get("isError")), images=images)
    elif message["role"] == "user":
        talk.add("h", text, images=images)
    elif content:  # a turn that was aborted before a word is none
        turn = talk.add("m", text, model=message.get("model") or "", stop=message.get("stopReason") or "")
        turn.reasoning = " ".join(block["thinking"] for block in blocks_of(content, "thinking"))
        turn.calls = [Call(b["name"], b["id"], b["arguments"]) for b in blocks_of(content, "toolCall")]
        if usage := message.get("usage"):
            turn.input_tokens = usage["input"] + usage.get("cacheRead", 0) + usage.get("cacheWrite", 0)
            turn.output_tokens = usage["output"]
