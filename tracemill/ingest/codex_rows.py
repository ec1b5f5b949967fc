"""Rows of a Codex rollout → what each is, and which texts the conversation itself holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypedDict

import msgspec

from tracemill.ingest.json_fields import as_list, as_record, dump_json, get_text
from tracemill.ingest.lines import Row
from tracemill.ingest.source import LossLog
from tracemill.ingest.time_span import TimeSpan

#: Items of the conversation.
_ITEM_NAMES = """
    message reasoning function_call function_call_output custom_tool_call custom_tool_call_output local_shell_call
    local_shell_call_output web_search_call tool_search_call tool_search_output image_generation_call agent_message
"""
#: Items, records and events that keep books: nothing in them is said that an item does not hold.
_BOOKKEEPING_NAMES = """
    world_state inter_agent_communication_metadata ghost_snapshot compaction compaction_summary context_compaction
    compaction_trigger other state warning error stream_error context_compacted task_started turn_started
    task_complete turn_complete agent_reasoning_delta agent_message_delta agent_reasoning_section_break
    session_configured thread_name_updated thread_settings_applied thread_goal_updated mcp_startup_update
    mcp_startup_complete mcp_tool_call_begin mcp_tool_call_end web_search_begin web_search_end
    image_generation_begin image_generation_end exec_command_begin exec_command_output_delta exec_command_end
    terminal_interaction view_image_tool_call exec_approval_request request_permissions request_user_input
    dynamic_tool_call_request dynamic_tool_call_response elicitation_request apply_patch_approval_request
    guardian_assessment deprecation_notice background_event undo_started undo_completed patch_apply_begin
    patch_apply_updated patch_apply_end turn_diff get_history_entry_response plan_update plan_delta
    shutdown_complete entered_review_mode exited_review_mode raw_response_item item_started hook_started
    hook_completed model_reroute model_verification sub_agent_activity collab_agent_spawn_begin
    collab_agent_spawn_end collab_agent_interaction_begin collab_agent_interaction_end collab_waiting_begin
    collab_waiting_end collab_close_begin collab_close_end collab_resume_begin collab_resume_end
"""
#: Events that the reader uses: words that may stand nowhere else, and marks.
_EVENT_NAMES = """
    user_message agent_message agent_reasoning agent_reasoning_raw_content item_completed token_count turn_aborted
    thread_rolled_back
"""
_ITEMS = frozenset(_ITEM_NAMES.split())
_BOOKKEEPING = frozenset(_BOOKKEEPING_NAMES.split())
_USED_EVENTS = frozenset(_EVENT_NAMES.split())
_EVENT_KINDS: dict[str | None, str] = {name: f"event:{name}" for name in sorted(_USED_EVENTS)}
_RECORDS = frozenset({"session_meta", "turn_context", "compacted"})
_MIN_PART_CHARS = 40
_GUIDE_STARTS = ("# AGENTS.md instructions", "<user_instructions>")
_WRAPPERS = frozenset({"response_item", "event_msg"})
_PLAIN_ITEMS = _ITEMS - {"message"}
_WORDY = frozenset({"message", "reasoning", "event:user_message", "event:agent_message"})


class _Item(TypedDict, total=False):
    """What is read of an item or event; a ``session_meta`` is read in full."""

    type: Any
    id: Any
    call_id: Any
    role: Any
    content: Any
    message: Any
    summary: Any
    text: Any
    name: Any
    namespace: Any
    function: Any
    arguments: Any
    input: Any
    action: Any
    status: Any
    output: Any
    tools: Any
    result: Any
    revised_prompt: Any
    info: Any
    total_token_usage: Any
    last_token_usage: Any
    input_tokens: Any
    output_tokens: Any
    results: Any
    item: Any
    images: Any
    local_images: Any
    reason: Any
    num_turns: Any
    replacement_history: Any
    timestamp: Any
    model: Any
    cwd: Any


class _Fields(_Item, total=False):
    """What is read of a row; one without payload is itself the item."""

    payload: _Item
    created_at: Any
    record_type: Any
    instructions: Any


ROW_FIELDS = msgspec.json.Decoder(_Fields)


@dataclass(slots=True)
class CodexItem:
    """One row. ``kind`` is the item's or event's type, with ``event:`` before an event's.

    ``words``: the squeezed text of a message.
    """

    line: int
    kind: str
    timestamp: str | None
    value: dict[str, Any]
    words: str = ""


@dataclass(slots=True)
class CodexFile:
    """All that one file holds, in the order of its rows.

    ``said`` holds the squeezed texts of the conversation's own items by role, ``told`` those of user and agent events:
    an event is only heard where neither says the same.
    """

    stem: str
    items: list[CodexItem] = field(default_factory=list[CodexItem])
    metas: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    span: TimeSpan = field(default_factory=TimeSpan)
    kinds: Counter[str] = field(default_factory=Counter[str])
    said: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    told: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    searches: dict[str, Any] = field(default_factory=dict[str, Any])

    def has_said(self, role: str, text: str) -> bool:
        """Whether an item of the conversation holds the text; an event can lack a citation that the item has."""
        said = self.said.get(role, set[str]())
        key = squeeze(text)
        return key in said or (len(key) >= _MIN_PART_CHARS and any(key in other for other in said))

    def has_guide(self, text: str) -> bool:
        """Whether a user item repeats the text, as it is or as the instructions of a project."""
        key = squeeze(text)
        said = self.said.get("user", set[str]())
        return key in said or any(other.startswith(_GUIDE_STARTS) and key in other for other in said)


def load_items(rows: Iterable[Row], log: LossLog, stem: str) -> CodexFile:
    """Sort the rows of a file; what is lost goes to the log."""
    file = CodexFile(stem)
    kinds: list[str] = []
    stamps: list[str] = []
    for row in rows:
        item = read_item(row)
        if item is None:
            _drop(row, log)
            continue
        kind = item.kind
        kinds.append(kind)
        if item.timestamp is not None:
            stamps.append(item.timestamp)
        if kind == "session_meta":
            file.metas.append(item.value)
        elif kind not in _BOOKKEEPING:
            file.items.append(item)
            if kind in _WORDY:
                _note_words(file, item)
        elif kind == "web_search_end":
            file.searches[get_text(item.value, "call_id") or ""] = item.value.get("results")
    file.kinds.update(kinds)
    file.span.add_all(stamps)
    return file


def _drop(row: Row, log: LossLog) -> None:
    value = row.load()
    kind = get_text(value, "type")
    is_known = kind in _RECORDS or kind in _WRAPPERS or ("payload" not in value and kind in _ITEMS)
    reason = "malformed_record" if is_known and not _is_foreign_payload(value) else "unknown_record_type"
    payload_kind = as_record(value.get("payload")).get("type")
    log.drop(reason, row.line, f"type {kind!r}, item {payload_kind!r}"[:200], dump_json(value)[:2000])


def read_item(row: Row) -> CodexItem | None:
    """What a row is, or None where its type is unknown or it lacks what its type needs."""
    value = row.value
    record = value.get("type")
    stamp = get_text(value, "timestamp") or get_text(value, "created_at")
    if "payload" not in value:
        return _read_legacy(row, stamp)
    item = value["payload"]
    if not isinstance(item, dict) or not isinstance(record, str):
        return None
    item = as_record(item)
    stamp = stamp or get_text(item, "timestamp")
    kind = item.get("type")
    if not isinstance(kind, str) or kind.isspace():
        kind = None
    if record == "response_item":
        kind = "message" if not kind and "role" in item else kind
        return _check_item(CodexItem(row.line, str(kind or None), stamp, item))
    if record == "event_msg":
        if kind in _EVENT_KINDS:
            return CodexItem(row.line, _EVENT_KINDS[kind], stamp, item)
        return CodexItem(row.line, str(kind), stamp, item) if kind in _BOOKKEEPING else None
    if record == "session_meta":
        return CodexItem(row.line, record, stamp, as_record(row.load()["payload"]))
    return CodexItem(row.line, record, stamp, item) if record in _RECORDS or record in _BOOKKEEPING else None


def squeeze(text: str) -> str:
    """Text with all white space made one blank, as texts are compared."""
    return " ".join(text.split())


def get_block_text(block: Any) -> str | None:
    """The text of a content block, under the keys that producers use."""
    if isinstance(block, str):
        return block
    record = as_record(block)
    text = record.get("text")
    return text if isinstance(text, str) and text and not text.isspace() else get_text(record, "output_text")


def list_texts(content: Any) -> list[str]:
    """The texts of content: a string, or blocks."""
    if isinstance(content, str):
        return [content]
    texts: list[str] = []
    for block in as_list(content) or [content]:
        text = block.get("text") if isinstance(block, dict) else None
        if not isinstance(text, str) or not text or text.isspace():
            text = get_block_text(block)
        if text is not None:
            texts.append(text)
    return texts


def get_content(item: dict[str, Any]) -> Any:
    """The content of a message item; in legacy rows it can stand under ``message``."""
    content = item.get("content")
    return content if content is not None else item.get("message")


def _read_legacy(row: Row, stamp: str | None) -> CodexItem | None:
    """A row of 2025 has no payload: it is the item itself, and the first row is the session's meta."""
    value = row.value
    kind = get_text(value, "type")
    if kind is None and "record_type" in value:
        return CodexItem(row.line, "state", stamp, value)
    if kind is None and "role" in value:
        return _check_item(CodexItem(row.line, "message", stamp, value))
    if kind is None and "id" in value and ("timestamp" in value or "instructions" in value):
        return CodexItem(row.line, "session_meta", stamp, row.load())
    if kind is None or kind in _RECORDS or kind in _WRAPPERS:
        return None
    return _check_item(CodexItem(row.line, str(kind), stamp, value))


def _check_item(item: CodexItem) -> CodexItem | None:
    value = item.value
    if item.kind in _PLAIN_ITEMS:
        return item
    if item.kind == "token_count":
        item.kind = "event:token_count"
        return item
    if item.kind == "message":
        has_role = value.get("role") in ("user", "assistant", "developer", "system")
        return item if has_role and isinstance(get_content(value), str | list) else None
    return item if item.kind in _ITEMS or item.kind in _BOOKKEEPING else None


def _is_foreign_payload(value: dict[str, Any]) -> bool:
    """Whether a known wrapper holds an item of a type that the reader does not know."""
    kind = get_text(as_record(value.get("payload")), "type")
    return kind is not None and kind not in _ITEMS and kind not in _USED_EVENTS


def _note_words(file: CodexFile, item: CodexItem) -> None:
    value = item.value
    if item.kind == "message":
        item.words = _note_texts(file, str(value["role"]), list_texts(get_content(value)))
    elif item.kind == "reasoning":
        _note_texts(file, "reasoning", list_texts(value.get("summary")) + list_texts(value.get("content")))
    elif item.kind in ("event:user_message", "event:agent_message"):
        role = "user" if item.kind == "event:user_message" else "assistant"
        file.told.setdefault(role, set()).add(squeeze(get_text(value, "message") or ""))


def _note_texts(file: CodexFile, role: str, texts: list[str]) -> str:
    said = file.said.setdefault(role, set())
    words = squeeze(" ".join(texts))
    said.add(words)
    if len(texts) > 1:
        said.update(map(squeeze, texts))
    return words
