"""Claude Code sessions for the table of rules, read off the raw rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.corpus_rules_model import Call, Conversation, Said
from tests.corpus_truth import INJECTED, Row, blocks_of, find_live, is_injected, name_conversation, read_rows, text_of


def read_claude(path: Path) -> Iterator[Conversation]:
    rows = read_rows(path, Counter())
    shaped = [r for r in rows if r.get("type") in ("user", "assistant") and isinstance(r.get("message"), dict)]
    usable = [row for row in shaped if (text := row["message"].get("content")) and (text_of(text) or blocks_of(text))]
    sidechain = {row["uuid"]: row for row in usable if row.get("isSidechain")}
    parents = {row["uuid"]: row.get("parentUuid") or row.get("logicalParentUuid") for row in rows if row.get("uuid")}
    grouped: dict[str, list[Row]] = {}
    for row in usable:
        grouped.setdefault(name_conversation(row, sidechain), []).append(row)
    for trace_id, members in grouped.items():
        live = [row for row in find_live(members, parents) if row["message"].get("model") != "<synthetic>"]
        live = [row for row in live if not row.get("isApiErrorMessage")]
        live += [row for row in rows if is_queued(row) and row["sessionId"] == trace_id]
        live.sort(key=rows.index)
        yield build(trace_id, live, path)


def is_queued(row: Row) -> bool:
    """What came while the model ran, from the person or from another agent, and stands in no row of its own."""
    return (row.get("attachment") or {}).get("type") == "queued_command"


def find_parent(path: Path, session: str) -> str:
    """The session of a sub-agent's parent: that of the file beside the folder ``<name>/subagents``, else the folder's
    name, which is the parent's session id; in the parent's own folder, or file, the session id of the rows."""
    if path.parent.name != "subagents":
        return session
    beside = path.parent.parent.with_suffix(".jsonl")
    rows = read_rows(beside, Counter()) if beside.exists() else []
    return next((row["sessionId"] for row in rows if row.get("sessionId")), path.parent.parent.name)


def build(trace_id: str, live: list[Row], path: Path) -> Conversation:
    session, _, agent = trace_id.partition(":")
    talk = Conversation(trace_id, agent_id=agent, is_sidechain=bool(agent))
    talk.parent = find_parent(path, session) if agent else ""
    talk.cwd = next((row["cwd"] for row in live if row.get("cwd")), "")
    talk.branch = next((row["gitBranch"] for row in live if row.get("gitBranch")), "")
    turns: dict[object, Said] = {}
    for row in live:
        if row["type"] == "assistant":
            add_turn_row(talk, row, turns)
        elif row["type"] == "attachment":
            add_queued(talk, row["attachment"])
        elif add_user_row(talk, row):
            turns.clear()  # all ids of small.jsonl are trimmed to one text: beyond a person's words begins another turn
    return talk


def add_turn_row(talk: Conversation, row: Row, turns: dict[object, Said]) -> None:
    """Rows of one message id are one turn, at the place of the first; the last usage counts."""
    message = row["message"]
    key = message.get("id") or row.get("uuid")
    if key not in turns:
        turns[key] = talk.add("m")
    turn, content = turns[key], message["content"]
    turn.text += " " + text_of(content)
    turn.reasoning += " ".join(block.get("thinking", "") for block in blocks_of(content, "thinking"))
    turn.calls += [Call(b["name"], b.get("id", ""), b.get("input")) for b in blocks_of(content, "tool_use")]
    turn.model = turn.model or message.get("model") or ""
    turn.stop = message.get("stop_reason") or turn.stop
    if usage := message.get("usage"):
        cached = usage.get("cache_read_input_tokens", 0) + usage.get("cache_creation_input_tokens", 0)
        turn.input_tokens = usage["input_tokens"] + cached
        turn.output_tokens = usage["output_tokens"]


def add_queued(talk: Conversation, attachment: Row) -> None:
    """A person's words only where mode and origin say so: notifications are queued the same way."""
    prompt = attachment["prompt"]
    is_human = attachment.get("commandMode") == "prompt" and (attachment.get("origin") or {}).get("kind") in (
        None,
        "human",
    )
    talk.add("h" if is_human else "i", text_of(prompt), images=len(blocks_of(prompt, "image")))


def add_user_row(talk: Conversation, row: Row) -> bool:
    """Returns whether a person spoke."""
    content = row["message"]["content"]
    for block in blocks_of(content, "tool_result"):
        inner = block.get("content")
        text = " ".join([text_of(inner), *(part["tool_name"] for part in blocks_of(inner, "tool_reference"))])
        images = len(blocks_of(inner, "image"))
        talk.answer(block.get("tool_use_id"), text, error=bool(block.get("is_error")), images=images)
    text, images = text_of(content), len(blocks_of(content, "image"))
    if not text and not images:
        return False
    if row.get("isCompactSummary"):
        talk.add("c", text)
        return False
    origin = row.get("origin")
    is_mail = isinstance(origin, dict) and "senderTaskId" in origin
    is_human = bool(images or text_of(INJECTED.sub(" ", text))) and not is_injected(row) and not is_mail
    talk.add("h" if is_human else "i", text, images=images)
    return is_human
