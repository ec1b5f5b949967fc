"""The shape of a Claude Code row: the fields that are read, decoded from a line in one go.

What is not named here, such as a copy of the tool result, is most of some files and is never built. A line of any other
shape is refused by the decoder and read by ``claude_code_odd``, which gives the same structs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from tracemill.ingest.json_fields import dump_json

_Count = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]


NO_INPUT = msgspec.Raw()
#: Row types that keep the books of a session and hold nothing that was said.
_BOOKKEEPING_NAMES = """
    summary system file-history-snapshot file-history-delta attachment progress queue-operation last-prompt custom-title
    ai-title agent-name agent-color agent-setting mode permission-mode frame-link pr-link started result relocated
    worktree-state atis-latch bridge-session tag speculation-accept content-replacement task-summary
    attribution-snapshot marble-origami-commit marble-origami-snapshot marble-origami-reset cost-state continued-in
    ended-by-model fork-context-ref history-suppression isolation-latch dev-mods memory-mode observer-ref
    artifact-comment-monitor artifact-autoreact-ledger api-request api-request-blob api-request-shape turn_duration
    failed launched
"""
BOOKKEEPING = frozenset(_BOOKKEEPING_NAMES.split())
if TYPE_CHECKING:
    RowType = str
else:  # the decoder makes known types alone, each of them once for all rows
    RowType = Literal["user", "assistant", *sorted(BOOKKEEPING)]


class TextBlock(msgspec.Struct, gc=False, tag_field="type", tag="text"):
    text: str


class ThinkingBlock(msgspec.Struct, gc=False, tag_field="type", tag="thinking"):
    thinking: str


class WithheldBlock(msgspec.Struct, gc=False, tag_field="type", tag="redacted_thinking"):
    pass


class CallBlock(msgspec.Struct, gc=False, tag_field="type", tag="tool_use"):
    """``input`` is JSON as it stands in the file, until the reader of lines has made ``arguments`` of it."""

    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = NO_INPUT
    arguments: str = ""


class ResultBlock(msgspec.Struct, gc=False, tag_field="type", tag="tool_result"):
    tool_use_id: str | None = None
    content: Any = None
    is_error: bool | None = None
    text: str | None = None


class ImageBlock(msgspec.Struct, gc=False, tag_field="type", tag="image"):
    source: dict[str, Any]


class HostedResultBlock(msgspec.Struct, gc=False):
    """The result of a call that ran at the provider: it stands in the model's own message."""

    result: ResultBlock


class OtherBlock(msgspec.Struct, gc=False):
    """A block of any other type or shape."""

    value: dict[str, Any]


_Decoded = TextBlock | ThinkingBlock | CallBlock | ResultBlock | ImageBlock | WithheldBlock
Block = _Decoded | HostedResultBlock | OtherBlock
if TYPE_CHECKING:
    Content = str | list[Block]
else:  # the decoder makes tagged blocks alone
    Content = str | list[_Decoded]


class Usage(msgspec.Struct, gc=False):
    input_tokens: _Count | None = None
    cache_creation_input_tokens: _Count | None = None
    cache_read_input_tokens: _Count | None = None
    output_tokens: _Count | None = None

    def count(self) -> dict[str, int] | None:
        """Tokens of one answer; what was read from or written to the cache was read by the model: it is input too."""
        counted: dict[str, int] = {}
        if self.input_tokens is not None:
            cached = (self.cache_creation_input_tokens or 0) + (self.cache_read_input_tokens or 0)
            counted["input_tokens"] = self.input_tokens + cached
        if self.output_tokens is not None:
            counted["output_tokens"] = self.output_tokens
        return counted or None


class Words(msgspec.Struct, gc=False):
    """What a row's ``message`` holds."""

    content: Content
    model: str | None = None
    id: str | None = None
    stop_reason: str | None = None
    usage: Usage | None = None


class Attachment(msgspec.Struct, gc=False):
    type: str | None = None
    prompt: Any = None
    command_mode: Any = msgspec.field(default=None, name="commandMode")
    origin: Any = None
    is_meta: Any = msgspec.field(default=None, name="isMeta")
    system_prompt: Any = msgspec.field(default=None, name="systemPrompt")
    tools: Any = None


class Preserved(msgspec.Struct, gc=False, frozen=True):
    """The rows that a compaction left in the context: the first and the last of them, and their ids; each may lack."""

    ends: tuple[str, ...]
    uuids: tuple[str, ...]


class Lost:
    """Why a row is left out, with what no field of it holds. No type of JSON: no line can claim it."""

    __slots__ = ("detail", "excerpt", "reason")

    def __init__(self, reason: str, detail: str = "", excerpt: str = "") -> None:
        self.reason = reason
        self.detail = detail
        self.excerpt = excerpt


class ClaudeRow(msgspec.Struct, gc=False):
    """A row, its fields in the order of the files, which is the fastest to decode.

    ``type`` is ``user``, ``assistant``, ``attachment`` or that of another bookkeeping row.
    What stands from ``line`` on is no field of the file, but set by ``finish_rows`` and the reader of lines.
    ``words`` is what the row says: that of ``message``, or of a prompt typed while the model ran; None for no words.
    ``session_id`` is empty until ``load_rows`` has filled it in where the row names none. ``sent_inputs`` are the
    arguments of calls as the model sent them, by the call's id: those in the message are what Claude Code made of them.
    """

    parent: str | None = msgspec.field(default=None, name="parentUuid")
    logical_parent: str | None = msgspec.field(default=None, name="logicalParentUuid")
    is_sidechain: bool | None = msgspec.field(default=None, name="isSidechain")
    cwd: str | None = None
    session_id: str | None = msgspec.field(default=None, name="sessionId")
    version: str | None = None
    git_branch: str | None = msgspec.field(default=None, name="gitBranch")
    agent_id: str | None = msgspec.field(default=None, name="agentId")
    type: RowType | None = None
    words: Words | None = msgspec.field(default=None, name="message")
    is_meta: bool | None = msgspec.field(default=None, name="isMeta")
    is_api_error: bool | None = msgspec.field(default=None, name="isApiErrorMessage")
    uuid: str | None = None
    timestamp: str | None = None
    is_summary: bool | None = msgspec.field(default=None, name="isCompactSummary")
    origin: dict[str, Any] | None = None
    attachment: Attachment | None = None
    sent_inputs: dict[str, msgspec.Raw] | None = msgspec.field(default=None, name="wireToolInputs")
    compaction: dict[str, Any] | None = msgspec.field(default=None, name="compactMetadata")
    supersedes: list[Any] | None = msgspec.field(default=None, name="supersedesUuids")
    other_session_id: str | None = msgspec.field(default=None, name="session_id")
    summary: str | None = None
    leaf: str | None = msgspec.field(default=None, name="leafUuid")
    custom_title: str | None = msgspec.field(default=None, name="customTitle")
    ai_title: str | None = msgspec.field(default=None, name="aiTitle")
    line: int = 0
    is_injected: bool = False
    is_compaction: bool = False
    lost: Lost | None = None


def show_content(content: Content) -> str:
    """Content as text for an excerpt of what was lost."""
    return content if isinstance(content, str) else dump_json([show_block(block) for block in content])


def show_block(block: Block) -> dict[str, Any]:
    """A block as JSON, as far as it was read."""
    if isinstance(block, OtherBlock):
        return block.value
    if isinstance(block, HostedResultBlock):
        return show_block(block.result)
    if isinstance(block, CallBlock):
        return {"type": "tool_use", "id": block.id, "name": block.name, "input": block.arguments}
    return msgspec.to_builtins(block)
