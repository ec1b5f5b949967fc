"""The items of one Codex rollout → the messages of its trace: one turn a model response, results after their calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from tracemill.ingest.codex.build import build_messages
from tracemill.ingest.codex.compaction import Entry, Restart, Saying, Turn, keep_words, restart_context
from tracemill.ingest.codex.fields import CodexItem
from tracemill.ingest.codex.file import CodexFile, get_content, list_texts, pick_text
from tracemill.ingest.codex.meta import CodexIdentity, name_tool
from tracemill.ingest.codex.outputs import CodexOutput, read_output
from tracemill.ingest.codex.parts import Part, join_parts, read_parts, split_named, split_words
from tracemill.ingest.codex.payloads import count_tokens, read_completed
from tracemill.ingest.content_parts import read_content
from tracemill.ingest.json_fields import as_list, as_record, dump_json, dump_text_field, get_int, get_text
from tracemill.ingest.source import LossLog
from tracemill.trace import Message, Origin, Role, ToolCall


class CodexConversation(msgspec.Struct):
    """Collects the messages of one rollout, item by item.

    ``model`` is the model of the latest turn context; ``totals`` the token counts that the session last reported;
    ``is_stopped`` says that a stop by the person was the last thing that the model met.
    """

    log: LossLog
    file: CodexFile
    identity: CodexIdentity
    model: str | None = None
    totals: dict[str, int] | None = None
    is_stopped: bool = False
    _entries: list[Entry] = []
    _turn: Turn | None = None
    _said: list[Saying] = []
    _copied: frozenset[int] = frozenset()

    def add_system(self, text: str, timestamp: str | None) -> None:
        """The base instructions, which every context begins with."""
        if text:
            message = Message(role="system", content=text, origin="injected", timestamp=timestamp)
            self._entries.append(Entry(0, message=message, is_base=True))

    def add_items(self) -> None:
        """Take in the rows of the file in order; those that keep books are passed over."""
        if self.identity.is_sub_agent:
            self._copied = self.file.find_copied()
        for handle, item in zip(map(_HANDLERS.get, self.file.kinds), self.file.items, strict=True):
            if handle is not None:
                handle(self, item)

    def build(self) -> tuple[Message, ...]:
        """The messages in the order that a trace promises."""
        return build_messages(self._entries, self.log)

    def list_copied(self) -> list[int]:
        """Which messages, once built, are the parent's and stand in this file as context; by their place."""
        numbers = [entry.number for entry in self._entries if entry.line in self._copied]
        return sorted(number for number in numbers if number != Entry.NOWHERE) if numbers else []

    def add_message(self, item: CodexItem) -> None:
        value = item.value
        role = str(value.role)
        content = get_content(value)
        if role == "assistant":
            turn = self._open_turn(item)
            turn.parts.extend(read_parts(content, self.log, item.line))
            if value.model is not None and (model := pick_text(value.model)):
                turn.model = model
            added: list[Entry] = [turn]
        elif role == "user":
            named = None if value.item_metadata is None else split_named(value, content, self.log, item.line)
            added = self._add_user(item, *(named or split_words(read_parts(content, self.log, item.line))))
        else:
            added = [self._say(item, "system", "injected", read_parts(content, self.log, item.line))]
        self._said.append(Saying(role, content, added))

    def add_event_message(self, item: CodexItem) -> None:
        """Words of an event, heard only where no item of the conversation says the same."""
        role = "user" if item.kind == "event:user_message" else "assistant"
        text = pick_text(item.value.message) or ""
        if not self.file.has_said(role, text):
            self._hear(item, role, text)

    def add_completed(self, item: CodexItem) -> None:
        """An item that newer versions repeat as an event."""
        done = read_completed(item.value.item)
        role = _SPEAKERS.get(str(done.type))
        text = "\n\n".join(list_texts(done.content)) if role else ""
        if role and text and not self.file.has_said(role, text) and not self.file.has_told(role, text):
            self._hear(item, role, text)

    def add_reasoning(self, item: CodexItem) -> None:
        texts = list_texts(item.value.content) or list_texts(item.value.summary)
        self._open_turn(item).add_reasoning("\n\n".join(texts))

    def add_event_reasoning(self, item: CodexItem) -> None:
        text = pick_text(item.value.text) or ""
        if not self.file.has_said("reasoning", text):
            self._open_turn(item).add_reasoning(text)

    def add_call(self, item: CodexItem) -> None:
        value, kind = item.value, item.kind
        name = pick_text(value.name) or get_text(as_record(value.function), "name") or kind.removesuffix("_call")
        arguments = value.arguments
        if kind == "custom_tool_call":
            arguments = dump_text_field("input", value.input) if isinstance(value.input, str) else value.input
        elif kind == "local_shell_call":
            arguments = value.action
        if not isinstance(arguments, str):
            arguments = "{}" if arguments is None else dump_json(arguments)
        self._call(item, name_tool(value.namespace, name), arguments)

    def add_search(self, item: CodexItem) -> None:
        """A search on the web is call and result in one; what was found stands in an event, if anywhere."""
        value = item.value
        call_id = self._call(item, "web_search", dump_json(value.action or {}))
        found = self.file.find_results(pick_text(value.id, value.call_id) or "")
        status = pick_text(value.status)
        if found or status in (None, "completed", "failed"):
            content = dump_json(found) if found else status or "completed"
            self._answer(item, call_id, CodexOutput(content, status == "failed"))
        self._turn = None

    def add_image(self, item: CodexItem) -> None:
        """An image that was made: call and result in one."""
        value = item.value
        prompt = pick_text(value.revised_prompt)
        call_id = self._call(item, "image_generation", dump_json({} if prompt is None else {"revised_prompt": prompt}))
        data, status = pick_text(value.result), pick_text(value.status)
        if data is not None or status in ("completed", "failed"):
            image = {"type": "image", "source": {"media_type": "image/png", "data": data}}
            content = read_content([image], self.log, item.line) if data is not None else status or ""
            self._answer(item, call_id, CodexOutput(content, status == "failed"))
        self._turn = None

    def add_output(self, item: CodexItem) -> None:
        value = item.value
        if item.kind == "tool_search_output":
            read = CodexOutput(dump_json(value.tools))
        else:
            read = read_output(value.output, self.log, item.line)
        call_id = pick_text(value.call_id, value.id)
        if read.is_error is None and (has_failed := self.file.find_failure(call_id)) is not None:
            read = CodexOutput(read.content, has_failed)
        self._answer(item, call_id, read)
        self._turn = None

    def add_agent_mail(self, item: CodexItem) -> None:
        """What another agent wrote to this one; to a sub-agent without other words it is the task."""
        parts = list_texts(item.value.content)
        is_task = self.identity.is_sub_agent and not any(_is_human(entry) for entry in self._entries)
        if parts:
            self._say(item, "user", "human" if is_task else "injected", parts)

    def add_letter(self, item: CodexItem) -> None:
        """A letter of another agent; late versions may write it as an item of the conversation too."""
        if not self.file.has_letter(item.value):
            self.add_agent_mail(item)

    def add_usage(self, item: CodexItem) -> None:
        """The counts of the response that ends here."""
        value, turn = item.value, self._turn or self._find_turn()
        if turn is not None and turn.usage is None:
            turn.usage = count_tokens(value.usage)
        self.totals = count_tokens(value.thread_token_usage) or self.totals
        self._turn = None

    def add_tokens(self, item: CodexItem) -> None:
        """The counts come where a response of the model ends; counts that were told before come with other news."""
        counts = item.value.info or item.value
        total = count_tokens(counts.total_token_usage) or count_tokens(counts)
        is_new = total is not None and total != self.totals
        if total is None or is_new:
            latest = self._turn or self._find_turn()
            if latest is not None and latest.usage is None:
                latest.usage = count_tokens(counts.last_token_usage)
        if is_new:
            self.totals, self._turn = total, None

    def add_abort(self, _: CodexItem) -> None:
        """A stop by the person marks the last turn of the model since the person spoke; an item alone tells it."""
        self._turn, self.is_stopped = None, True
        for entry in reversed(self._entries):
            if _is_human(entry):
                return
            if isinstance(entry, Turn) and not entry.is_empty:
                entry.stop_reason = "aborted"
                return

    def add_rollback(self, item: CodexItem) -> None:
        """The last turns of the person were taken back: all since then is no part of the conversation."""
        count = get_int({"turns": item.value.num_turns}, "turns") or 0
        places = [place for place, entry in enumerate(self._entries) if _is_human(entry)]
        if count <= 0 or not places:
            return
        cut = places[-min(count, len(places))]
        for entry in self._entries[cut:]:
            message = entry.to_message() if isinstance(entry, Turn) else entry.message
            self.log.drop("abandoned_branch", entry.line, "rolled back", message.text if message else "")
        gone = set(map(id, self._entries[cut:]))
        del self._entries[cut:]
        self._said = [saying for saying in self._said if gone.isdisjoint(map(id, saying.added))]
        self._turn, self.is_stopped = None, False

    def add_compaction(self, item: CodexItem) -> None:
        history = item.value.replacement_history
        summary = pick_text(item.value.message)
        if isinstance(history, list):
            restart = restart_context(self._entries, self._said, as_list(history), summary, self.file.squeezed)
        else:
            restart = Restart(summary or "", keep_words(self._entries))
        message = Message(role="user", content=restart.text, origin="compaction", timestamp=item.timestamp)
        self._turn = None
        self._entries.append(Entry(item.line, message=message, kept=restart.kept))

    def note_context(self, item: CodexItem) -> None:
        self.model = pick_text(item.value.model) or self.model

    def _open_turn(self, item: CodexItem) -> Turn:
        if self._turn is None:
            self.is_stopped = False
            self._turn = Turn(item.line, timestamp=item.timestamp, model=self.model)
            self._entries.append(self._turn)
        return self._turn

    def _find_turn(self) -> Turn | None:
        return next((entry for entry in reversed(self._entries) if isinstance(entry, Turn)), None)

    def _call(self, item: CodexItem, name: str, arguments: str) -> str:
        call_id = pick_text(item.value.call_id, item.value.id) or f"{item.kind}-{item.line}"
        self._open_turn(item).calls.append(ToolCall(call_id, name, arguments))
        return call_id

    def _answer(self, item: CodexItem, call_id: str | None, output: CodexOutput) -> None:
        message = Message("tool", output.content, "tool", None, (), call_id, output.is_error, item.timestamp)
        self._entries.append(Entry(item.line, message))

    def _hear(self, item: CodexItem, role: str, text: str) -> None:
        if role == "assistant":
            turn = self._open_turn(item)
            if text:
                turn.parts.append(text)
            return
        links = [*as_list(item.value.images), *as_list(item.value.local_images)]
        images = [{"type": "input_image", "image_url": link} for link in links if isinstance(link, str)]
        parts = read_parts([*([text] if text else []), *images], self.log, item.line)
        if parts:
            self._said.append(Saying("user", text, self._add_user(item, *split_words(parts))))

    def _add_user(self, item: CodexItem, human: Sequence[Part], injected: Sequence[Part]) -> list[Entry]:
        """What the harness put there, then what the person said: to the parent, where a sub-agent's file repeats it."""
        added = [self._say(item, "user", "injected", injected)] if injected else []
        if human:
            added.append(self._say(item, "user", "injected" if item.line in self._copied else "human", human))
        return added

    def _say(self, item: CodexItem, role: Role, origin: Origin, parts: Sequence[Part]) -> Entry:
        self._turn = None
        entry = Entry(item.line, Message(role, join_parts(parts), origin, timestamp=item.timestamp))
        self._entries.append(entry)
        return entry


def _is_human(entry: Entry) -> bool:
    return entry.message is not None and entry.message.origin == "human"


#: Items in events that hold words.
_SPEAKERS = {"UserMessage": "user", "AgentMessage": "assistant"}
_HANDLERS: dict[str, Callable[[CodexConversation, CodexItem], None]] = {
    "message": CodexConversation.add_message,
    "reasoning": CodexConversation.add_reasoning,
    "function_call": CodexConversation.add_call,
    "custom_tool_call": CodexConversation.add_call,
    "local_shell_call": CodexConversation.add_call,
    "tool_search_call": CodexConversation.add_call,
    "web_search_call": CodexConversation.add_search,
    "image_generation_call": CodexConversation.add_image,
    "function_call_output": CodexConversation.add_output,
    "custom_tool_call_output": CodexConversation.add_output,
    "local_shell_call_output": CodexConversation.add_output,
    "tool_search_output": CodexConversation.add_output,
    "agent_message": CodexConversation.add_agent_mail,
    "inter_agent_communication": CodexConversation.add_letter,
    "token_usage_record": CodexConversation.add_usage,
    "compacted": CodexConversation.add_compaction,
    "turn_context": CodexConversation.note_context,
    "event:user_message": CodexConversation.add_event_message,
    "event:agent_message": CodexConversation.add_event_message,
    "event:item_completed": CodexConversation.add_completed,
    "event:agent_reasoning": CodexConversation.add_event_reasoning,
    "event:agent_reasoning_raw_content": CodexConversation.add_event_reasoning,
    "event:token_count": CodexConversation.add_tokens,
    "event:turn_aborted": CodexConversation.add_abort,
    "event:thread_rolled_back": CodexConversation.add_rollback,
}
