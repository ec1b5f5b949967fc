"""The rows of one run of a step log → one trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tracemill.ingest.content_parts import read_content
from tracemill.ingest.json_fields import (
    as_list,
    as_record,
    dump_json,
    get_bool,
    get_count,
    get_text,
    read_tool_definitions,
)
from tracemill.ingest.prompt_tracker import PromptTracker
from tracemill.ingest.source import LossLog
from tracemill.ingest.step_log.actions import Action, read_action
from tracemill.ingest.step_log.prompts import complete_prompt, convert_turn
from tracemill.ingest.step_log.report import judge_trace
from tracemill.ingest.step_log.rows import StepRow
from tracemill.ingest.transcript import sum_tokens
from tracemill.trace import Message, ToolCall, Trace

_RESULT_MARK = "[tool_result]"
_Usage = dict[str, int]


class RunReader:
    """Takes the rows of one run in order; ``build`` gives its trace."""

    def __init__(self, run_id: str, path: Path, log: LossLog, number: int = 1) -> None:
        self.run_id = run_id
        self.number = number
        self.is_repeated = number > 1
        self.path = path
        self.log = log
        self.tracker = PromptTracker()
        self.meta: dict[str, Any] = {}
        self.facts: dict[str, Any] = {}
        self.goal: str | None = None
        self.tools: tuple[dict[str, Any], ...] = ()
        self.has_passed: bool | None = None
        self.times: list[str] = []
        self._first_line: int | None = None
        self._has_start = False
        self.has_end = False
        self._requests = 0
        self._has_human = False
        self._call_count = 0
        self._turn: tuple[int, Any] | None = None  # the latest turn since the last request, with its step
        self._usage: tuple[Any, _Usage] | None = None
        self._row: StepRow | None = None
        self._held: list[StepRow] = []  # the latest request and what came after it: see ``read``
        self._unseen: str | None = None  # the text of the latest result, until a request comes
        self._readers: dict[str, Callable[[StepRow], None]] = {
            "run_start": self._read_run_start,
            "llm_request": self._read_llm_request,
            "llm_usage": self._read_llm_usage,
            "llm_action": self._read_llm_action,
            "llm_parse_error": self._read_llm_action,
            "llm_trailing_text": self._read_llm_trailing_text,
            "tool_result": self._read_tool_result,
            "tests": self._read_tests,
            "driver_note": self._read_driver_note,
            "final": self._read_final,
            "run_end": self._read_run_end,
        }

    def read(self, row: StepRow) -> None:
        """Take in one row. What a request really held is only known from the next one, so it waits for that."""
        self._first_line = self._first_line or row.line
        if row.time:
            self.times.append(row.time)
        for key, value in row.meta.items():
            if value not in (None, ""):
                self.meta.setdefault(key, value)
        self.has_end = self.has_end or row.kind == "run_end"
        if row.kind == "llm_request" and isinstance(row.payload.get("messages"), list):
            self._release(as_list(row.payload["messages"]))
            self._held = [row]
        elif self._held:
            self._held.append(row)
        else:
            self._take(row)

    def build(self, source_kind: str, *, is_partial: bool) -> Trace | None:
        """The trace, or None (logged) where the run has no message."""
        self._release([])
        goal = self.goal or get_text(self.meta, "goal")
        if not self._has_human and goal:
            self._begin_with(Message("user", goal, "human"))
        messages, _ = self.tracker.transcript.build(self.log)
        if not messages:
            self.log.drop("no_messages", self._first_line, f"run {self.run_id}"[:200])
            return None
        model, repository = get_text(self.meta, "model"), get_text(self.meta, "repo")
        is_link = repository is not None and ("://" in repository or repository.startswith("git@"))
        trace = Trace(
            trace_id=self.run_id if self.number == 1 else f"{self.run_id}#{self.number}",
            source_kind=source_kind,
            source_path=str(self.path),
            root_session_id=self.run_id,
            messages=messages,
            project_path=None if is_link else repository,
            repository_url=repository if is_link else None,
            started_at=next(iter(self.times), None),
            ended_at=next(reversed(self.times), None),
            source_meta={**self._describe_meta(), **self.facts},
            task_id=get_text(self.meta, "task_id"),
            success=self.has_passed,
            verdict_source="tests" if self.has_passed is not None else None,
            model=model,
            tools=self.tools,
            input_tokens=sum_tokens(messages, "input_tokens"),
            output_tokens=sum_tokens(messages, "output_tokens"),
            is_partial=is_partial,
        )
        return judge_trace(trace, self.path, self.run_id, is_repeated=self.is_repeated)

    def _describe_meta(self) -> dict[str, Any]:
        kept = ((key, get_text(self.meta, key)) for key in ("provider", "test_cmd", "goal"))
        return {key: value for key, value in kept if value is not None}

    def _begin_with(self, goal: Message) -> None:
        """Put the goal in front of all messages: every context that names them by number moves on by one."""
        entries = self.tracker.transcript.entries
        entries.insert(0, (goal, self._first_line))
        for number, (message, line) in enumerate(entries):
            if message.context is not None:
                entries[number] = (replace(message, context=tuple(place + 1 for place in message.context)), line)

    def _release(self, following: list[Any]) -> None:
        """Read the rows that waited for the next prompt."""
        held, self._held = self._held, []
        for request in held[:1]:
            self._row = request
            self._read_prompt(request, complete_prompt(request.payload["messages"], following, self._unseen))
        for row in held[1:]:
            self._take(row)

    def _take(self, row: StepRow) -> None:
        self._row = row
        if row.is_reflection:
            self.facts.setdefault("reflections", []).append(dump_json(row.payload))
        else:
            self._readers[row.kind](row)

    def _read_run_start(self, row: StepRow) -> None:
        if self._has_start:
            self.log.drop("duplicate_row", row.line, "a second start of the same run", dump_json(row.payload))
        self._has_start = True
        self.goal = self.goal or get_text(row.payload, "goal")

    def _read_llm_request(self, row: StepRow) -> None:
        self._refuse(row, "messages is no list")

    def _read_prompt(self, row: StepRow, prompt: list[Any]) -> None:
        self.tools = self.tools or read_tool_definitions(row.payload.get("tools"))
        self._requests += 1
        self.tracker.show(prompt, self._convert, row.line)
        self._turn = self._unseen = None

    def _read_llm_usage(self, row: StepRow) -> None:
        counts = {
            "input_tokens": get_count(row.payload, "prompt_tokens", self.log),
            "output_tokens": get_count(row.payload, "completion_tokens", self.log),
        }
        usage = {key: count for key, count in counts.items() if count is not None}
        if not usage:
            self._refuse(row, "no token counts")
            return
        step = row.payload.get("t")
        entries = self.tracker.transcript.entries
        if self._turn is not None and self._turn[1] == step and entries[self._turn[0]][0].usage is None:
            message, line = entries[self._turn[0]]
            entries[self._turn[0]] = (replace(message, usage=usage), line)
        else:
            self._usage = (step, usage)

    def _read_llm_action(self, row: StepRow) -> None:
        action = read_action(row.payload)
        if action is None:
            self._refuse(row, "neither action nor raw text")
        elif not self._is_told(action, row.payload.get("t")):
            self._say(action, row)

    def _read_llm_trailing_text(self, row: StepRow) -> None:
        """What the model wrote after the JSON of its action belongs to the words of that turn."""
        text, entries = get_text(row.payload, "trailing"), self.tracker.transcript.entries
        if text is None or self._turn is None:
            self._refuse(row, "no text, or no turn before it")
            return
        message, line = entries[self._turn[0]]
        entries[self._turn[0]] = (replace(message, content="\n\n".join(filter(None, (message.text, text)))), line)

    def _read_tool_result(self, row: StepRow) -> None:
        result = row.payload.get("obs")
        if result is None:
            self._refuse(row, "no obs")
            return
        record = as_record(result)
        other = "" if "output" in record else result
        given = next((record[key] for key in ("output", "error") if record.get(key) not in (None, "")), other)
        content = read_content(given, self.log, row.line) if isinstance(given, list) else dump_json(given)
        is_fine = get_bool(record, "ok")
        is_error = None if is_fine is None else not is_fine
        self._unseen = content if isinstance(content, str) else None
        self.tracker.answer(Message("tool", content, "tool", is_error=is_error, timestamp=row.time), row.line)

    def _read_tests(self, row: StepRow) -> None:
        passed = get_bool(row.payload, "ok")
        if passed is None:
            self._refuse(row, "ok is neither true nor false")
            return
        self.has_passed = passed
        self.facts["test_runs"] = self.facts.get("test_runs", 0) + 1

    def _read_driver_note(self, row: StepRow) -> None:
        self.facts.setdefault("driver_notes", []).append(dump_json(row.payload.get("note", row.payload)))

    def _read_final(self, row: StepRow) -> None:
        final = as_record(row.payload.get("final")) or row.payload
        passed = get_bool(as_record(final.get("test_result")), "ok")
        self.has_passed = self.has_passed if passed is None else passed
        self._keep(final, "summary", "changes")

    def _read_run_end(self, row: StepRow) -> None:
        state = as_record(row.payload.get("state"))
        passed = get_bool(as_record(state.get("last_test")), "ok")
        self.has_passed = self.has_passed if passed is None else passed
        self._keep(row.payload, "summary")
        self._keep(state, "files_touched")

    def _keep(self, record: dict[str, Any], *keys: str) -> None:
        for key in keys:
            value = record.get(key)
            if value not in (None, "", [], {}):
                names = [item for item in as_list(value) if isinstance(item, str)]
                self.facts[key] = names or dump_json(value)

    def _is_told(self, action: Action, step: Any) -> bool:
        """Whether the row above told the same turn: text that is no action stands in two rows."""
        if self._turn is None or self._turn[1] != step or action.calls:
            return False
        said = self.tracker.transcript.entries[self._turn[0]][0]
        return not said.tool_calls and said.content == action.text

    def _say(self, action: Action, row: StepRow) -> None:
        step = row.payload.get("t")
        usage = self._usage[1] if self._usage is not None and self._usage[0] == step else None
        self._usage = None
        message = Message(
            "assistant",
            action.text,
            "model",
            action.thought,
            tuple(self._name_call(call) for call in action.calls),
            timestamp=row.time,
            model=get_text(row.meta, "model") or get_text(self.meta, "model"),
            usage=usage,
        )
        self._keep({"changes": action.changes}, "changes")
        self._turn = (self.tracker.say(message, row.line), step)

    def _name_call(self, call: ToolCall) -> ToolCall:
        self._call_count += 1
        return replace(call, id=call.id or f"call_{self._call_count}")

    def _convert(self, item: Any) -> Sequence[Message]:
        """The message that an item of a prompt is; none (logged) where it is no message."""
        row = self._row
        line, time = (row.line, row.time) if row is not None else (None, None)
        record = as_record(item)
        role = record.get("role")
        content = read_content(record.get("content"), self.log, line)
        if role in ("system", "developer"):
            return (Message("system", content, "injected", timestamp=time),)
        if role == "user":
            if isinstance(content, str) and content.lstrip().startswith(_RESULT_MARK):
                return (Message("tool", content.lstrip().removeprefix(_RESULT_MARK).strip(), "tool", timestamp=time),)
            origin = "injected" if self._has_human else "human"
            self._has_human = True
            return (Message("user", content, origin, timestamp=time),)
        if role in ("tool", "function"):
            return (Message("tool", content, "tool", tool_call_id=get_text(record, "tool_call_id"), timestamp=time),)
        if role == "assistant":
            # in the first prompt of a run it is an example that nobody said
            return (convert_turn(record, content, is_example=self._requests == 1 and self._has_start),)
        reason = "unknown_record_type" if isinstance(role, str) else "malformed_record"
        self.log.drop(reason, line, f"a message of role {role!r}"[:200], dump_json(item))
        return ()

    def _refuse(self, row: StepRow, why: str) -> None:
        self.log.drop("malformed_record", row.line, f"{row.kind}: {why}", dump_json(row.payload))
