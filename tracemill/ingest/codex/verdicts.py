"""What events say of how a call ended, where the output of the call does not tell."""

from __future__ import annotations

from typing import Any

from tracemill.ingest.codex.payloads import read_completed
from tracemill.ingest.json_fields import as_record, get_bool, get_int

#: Kinds of rows that may tell; ``item_completed`` is that of late versions.
VERDICT_KINDS = frozenset({"event:item_completed", "patch_apply_end", "mcp_tool_call_end"})
_STATUSES = {"failed": True, "declined": True, "completed": False}
_ITEM_TYPES = ("CommandExecution", "McpToolCall", "FileChange", "DynamicToolCall")


def get_event_id(value: Any) -> str:
    """The id of the call that an event is about."""
    found = read_completed(value.item).id or value.call_id
    return found if isinstance(found, str) else ""


def read_failure(value: Any) -> bool | None:
    """Whether the call failed; None where the event does not say."""
    if value.item is not None:
        item = read_completed(value.item)
        if item.type not in _ITEM_TYPES:
            return None
        code = get_int({"code": item.exit_code}, "code")
        return code != 0 if code is not None else _STATUSES.get(str(item.status))
    if isinstance(value.success, bool):
        return not value.success
    result = as_record(value.result)
    return True if "Err" in result else get_bool(as_record(result.get("Ok")), "isError")
