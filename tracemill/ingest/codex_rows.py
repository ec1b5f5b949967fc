"""Rows of a Codex rollout → what each is, and which texts the conversation itself holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

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
_RECORDS = frozenset({"session_meta", "turn_context", "compacted"})
_MIN_PART_CHARS = 40
_WRAPPERS = frozenset({"response_item", "event_msg"})


@dataclass(slots=True)
class CodexItem:
    """One row. ``kind`` is the item's or event's type, with ``event:`` before an event's."""

    line: int
    kind: str
    timestamp: str | None
    value: dict[str, Any]


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


def load_items(rows: Iterable[Row], log: LossLog, stem: str) -> CodexFile:
    """Sort the rows of a file; what is lost goes to the log."""
    file = CodexFile(stem)
    for row in rows:
        item = read_item(row)
        if item is None:
            kind = get_text(row.value, "type")
            is_known = kind in _RECORDS or kind in _WRAPPERS or ("payload" not in row.value and kind in _ITEMS)
            reason = "malformed_record" if is_known and not _is_foreign_payload(row.value) else "unknown_record_type"
            payload_kind = as_record(row.value.get("payload")).get("type")
            log.drop(reason, row.line, f"type {kind!r}, item {payload_kind!r}"[:200], dump_json(row.value)[:2000])
            continue
        file.span.add(item.timestamp)
        file.kinds[item.kind] += 1
        if item.kind == "session_meta":
            file.metas.append(item.value)
        elif item.kind not in _BOOKKEEPING:
            file.items.append(item)
            _note_words(file, item)
        elif item.kind == "web_search_end":
            file.searches[get_text(item.value, "call_id") or ""] = item.value.get("results")
    return file


def read_item(row: Row) -> CodexItem | None:
    """What a row is, or None where its type is unknown or it lacks what its type needs."""
    value = row.value
    record = get_text(value, "type")
    stamp = get_text(value, "timestamp", "created_at")
    if "payload" not in value:
        return _read_legacy(row, stamp)
    payload = value["payload"]
    if not isinstance(payload, dict):
        return None
    item = as_record(payload)
    stamp = stamp or get_text(item, "timestamp")
    if record in _RECORDS:
        return CodexItem(row.line, str(record), stamp, item)
    kind = get_text(item, "type")
    if record == "response_item":
        kind = "message" if kind is None and "role" in item else kind
        return _check_item(CodexItem(row.line, str(kind), stamp, item))
    if record == "event_msg":
        if kind in _USED_EVENTS:
            return CodexItem(row.line, f"event:{kind}", stamp, item)
        return CodexItem(row.line, str(kind), stamp, item) if kind in _BOOKKEEPING else None
    return CodexItem(row.line, str(record), stamp, item) if record in _BOOKKEEPING else None


def squeeze(text: str) -> str:
    """Text with all white space made one blank, as texts are compared."""
    return " ".join(text.split())


def get_block_text(block: Any) -> str | None:
    """The text of a content block, under the keys that producers use."""
    return block if isinstance(block, str) else get_text(as_record(block), "text", "output_text")


def list_texts(content: Any) -> list[str]:
    """The texts of content: a string, or blocks."""
    blocks: list[Any] = as_list(content) or [content]
    return [text for block in blocks if (text := get_block_text(block)) is not None]


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
        return CodexItem(row.line, "session_meta", stamp, value)
    if kind is None or kind in _RECORDS or kind in _WRAPPERS:
        return None
    return _check_item(CodexItem(row.line, str(kind), stamp, value))


def _check_item(item: CodexItem) -> CodexItem | None:
    value = item.value
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
        texts = list_texts(get_content(value))
        role = str(value["role"])
        file.said.setdefault(role, set()).update(map(squeeze, (*texts, " ".join(texts))))
    elif item.kind == "reasoning":
        texts = list_texts(value.get("summary")) + list_texts(value.get("content"))
        file.said.setdefault("reasoning", set()).update(map(squeeze, (*texts, " ".join(texts))))
    elif item.kind in ("event:user_message", "event:agent_message"):
        role = "user" if item.kind == "event:user_message" else "assistant"
        file.told.setdefault(role, set()).add(squeeze(get_text(value, "message") or ""))
