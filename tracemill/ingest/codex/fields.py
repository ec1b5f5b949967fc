"""The shapes of a Codex row: structs for those that are as Codex writes them, one tolerant shape for all others."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

import msgspec

_Count = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]


class Usage(msgspec.Struct, gc=False):
    """Token counts of one response, or of all so far."""

    input_tokens: _Count | None = None
    output_tokens: _Count | None = None


class Counts(Usage, gc=False):
    """The ``info`` of a token count; the counts can also stand in it themselves."""

    total_token_usage: Usage | None = None
    last_token_usage: Usage | None = None


class Block(msgspec.Struct, gc=False):
    """A content block, of the types that are known by these fields whatever else one has."""

    type: Literal["input_text", "output_text", "text", "encrypted_content", "input_image"]
    text: str | None = None
    output_text: Any = None
    image_url: Any = None
    source: Any = None
    data: Any = None
    mime_name: Any = msgspec.field(default=None, name="mimeType")
    mime_type: Any = None
    media_type: Any = None
    url: Any = None


class Summary(msgspec.Struct, gc=False):
    """A block of reasoning."""

    type: Literal["summary_text"]
    text: str | None = None
    output_text: Any = None


#: Where a message of late versions says of each of its blocks what it is, such as ``user.text``.
ITEM_METADATA = "internal_chat_message_metadata_passthrough"


class Payload(msgspec.Struct, gc=False):
    """An item of the conversation."""

    type: str = ""
    timestamp: Any = None
    id: Any = None
    status: Any = None
    call_id: Any = None
    role: Literal["user", "assistant", "developer", "system"] | None = None
    name: Any = None
    namespace: Any = None
    arguments: Any = None
    input: Any = None
    output: Any = None
    content: list[Block] | str | None = None
    summary: list[Summary] | str | None = None
    action: Any = None
    tools: Any = None
    result: Any = None
    revised_prompt: Any = None
    function: Any = None
    message: list[Block] | str | None = None
    model: Any = None
    item_metadata: Any = msgspec.field(default=None, name=ITEM_METADATA)


class Completed(msgspec.Struct, gc=False):
    """An item of the conversation in an event, or a call that ended."""

    type: Any = None
    content: Any = None
    id: Any = None
    exit_code: Any = None
    status: Any = None


class EventPayload(Counts, gc=False):
    """An event."""

    type: str = ""
    message: Any = None
    info: Counts | None = None
    text: Any = None
    images: Any = None
    local_images: Any = None
    item: Completed | None = None
    call_id: Any = None
    results: Any = None
    num_turns: Any = None
    timestamp: Any = None
    success: Any = None
    result: Any = None


class ContextPayload(msgspec.Struct, gc=False):
    timestamp: Any = None
    cwd: Any = None
    model: Any = None


class HistoryItem(msgspec.Struct, gc=False):
    """An item of the context that a compaction leaves."""

    type: Any = None
    role: Any = None
    content: list[Block] | str | None = None
    message: Any = None
    call_id: Any = None
    id: Any = None


class CompactionPayload(msgspec.Struct, gc=False):
    timestamp: Any = None
    message: Any = None
    replacement_history: list[HistoryItem] | None = None


class UsagePayload(msgspec.Struct, gc=False):
    """The token counts of one response, and of the session so far."""

    timestamp: Any = None
    usage: Usage | None = None
    thread_token_usage: Usage | None = None


class LetterPayload(msgspec.Struct, gc=False):
    """What one agent wrote to another."""

    timestamp: Any = None
    id: Any = None
    content: Any = None


class EmptyPayload(msgspec.Struct, gc=False):
    """What keeps books."""

    timestamp: Any = None


class OddPayload(Payload, gc=False):
    """Any payload: what is read of one that is not as Codex writes it."""

    role: Any = None
    message: Any = None
    content: Any = None
    summary: Any = None
    info: Any = None
    text: Any = None
    images: Any = None
    local_images: Any = None
    item: Any = None
    results: Any = None
    num_turns: Any = None
    replacement_history: Any = None
    cwd: Any = None
    success: Any = None
    usage: Usage | None = None
    thread_token_usage: Usage | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_token_usage: Usage | None = None
    last_token_usage: Usage | None = None


class CodexItem(msgspec.Struct, gc=False, kw_only=True):
    """One row. ``kind`` is the item's or event's type, with ``event:`` before an event's; ``line`` counts from 1.

    ``ordinal``: the row's number in the history of its session, where late versions give it.
    """

    timestamp: str | None = None
    created_at: Any = None
    ordinal: Any = None
    metadata: Any = None
    value: Any = msgspec.field(name="payload")
    kind: str = msgspec.field(default="", name="(kind)")
    line: int = msgspec.field(default=0, name="(line)")


class ItemRow(CodexItem, gc=False, kw_only=True, tag="response_item"):
    timestamp: str | None = None
    value: Payload = msgspec.field(name="payload")


class EventRow(CodexItem, gc=False, kw_only=True, tag="event_msg"):
    timestamp: str | None = None
    value: EventPayload = msgspec.field(name="payload")


class MetaRow(CodexItem, gc=False, kw_only=True, tag="session_meta"):
    timestamp: str | None = None
    value: dict[str, Any] = msgspec.field(name="payload")
    kind: str = msgspec.field(default="session_meta", name="(kind)")


class ContextRow(CodexItem, gc=False, kw_only=True, tag="turn_context"):
    timestamp: str | None = None
    value: ContextPayload = msgspec.field(name="payload")
    kind: str = msgspec.field(default="turn_context", name="(kind)")


class CompactionRow(CodexItem, gc=False, kw_only=True, tag="compacted"):
    timestamp: str | None = None
    value: CompactionPayload = msgspec.field(name="payload")
    kind: str = msgspec.field(default="compacted", name="(kind)")


class UsageRow(CodexItem, gc=False, kw_only=True, tag="token_usage_record"):
    timestamp: str | None = None
    value: UsagePayload = msgspec.field(name="payload")
    kind: str = msgspec.field(default="token_usage_record", name="(kind)")


class LetterRow(CodexItem, gc=False, kw_only=True, tag="inter_agent_communication"):
    timestamp: str | None = None
    value: LetterPayload = msgspec.field(name="payload")
    kind: str = msgspec.field(default="inter_agent_communication", name="(kind)")


class StateRow(CodexItem, gc=False, kw_only=True, tag="world_state"):
    timestamp: str | None = None
    value: EmptyPayload = msgspec.field(name="payload")
    kind: str = msgspec.field(default="world_state", name="(kind)")


class MailRow(CodexItem, gc=False, kw_only=True, tag="inter_agent_communication_metadata"):
    timestamp: str | None = None
    value: EmptyPayload = msgspec.field(name="payload")
    kind: str = msgspec.field(default="inter_agent_communication_metadata", name="(kind)")


class LegacyRow(Payload, gc=False):
    """A row of 2025: the item itself."""

    created_at: Any = None
    record_type: Any = msgspec.UNSET
    payload: Any = msgspec.UNSET


class HeadPayload(TypedDict, total=False):
    """What the head of a file is made from."""

    id: Any
    session_id: Any
    timestamp: Any
    source: Any
    parent_thread_id: Any
    forked_from_id: Any
    thread_source: Any


class MetaHead(msgspec.Struct, gc=False, kw_only=True, tag="session_meta"):
    timestamp: str | None = None
    payload: HeadPayload


AnyRow = ItemRow | EventRow | MetaRow | ContextRow | CompactionRow | StateRow | MailRow | UsageRow | LetterRow
