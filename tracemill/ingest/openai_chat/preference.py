"""Rows with a better and a worse answer to one prompt → two rows, each a conversation of its own.

Read here: tracemill's own ``preference`` in all four shapes, and datasets like it. ``prompt``, ``chosen`` and
``rejected`` are texts or messages; a prompt may be called ``question``, be ``instruction`` and ``input``, or a list of
messages that does not end with an answer. Answers that repeat the prompt, as UltraFeedback has them, hold all of it::

    {"prompt": "Weather?", "chosen": "12 C.", "rejected": "Cold."}
    {"input": {"messages": [{"role": "user", "content": "Weather?"}]},
     "preferred_output": [{"role": "assistant", "content": "12 C."}],
     "non_preferred_output": [{"role": "assistant", "content": "Cold."}]}

That an answer is the better of two says nothing of success; a verdict or a usage beside the two is of neither.

Source: https://huggingface.co/docs/trl/dataset_formats (preference) and the pages that the exporter names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from tracemill.ingest.json_fields import as_list, as_record, get_text, parse_json
from tracemill.ingest.lines import Row
from tracemill.ingest.openai_chat.messages import find_role
from tracemill.ingest.openai_chat.parts import parse_list
from tracemill.ingest.openai_chat.row_messages import CHAT_FIELDS
from tracemill.trace import Trace

#: The columns of the two answers, the better one first.
ANSWER_FIELDS = (("chosen", "rejected"), ("preferred_output", "non_preferred_output"))
#: Columns that hold a prompt.
PROMPT_FIELDS = ("prompt", "question", "instruction", "input")
_NAMES = ("chosen", "rejected")
_NEITHERS = ("success", "resolved", "reward", "verdict_source", "usage")


class AnswerRow(Row, gc=False):
    """A row with one of two answers; ``answer`` is ``chosen`` or ``rejected``."""

    answer: str = ""


def expand_rows(rows: Iterable[tuple[Row, int]]) -> Iterator[tuple[Row, int]]:
    """Rows with their places on their lines, those of two answers twice."""
    for row, place in rows:
        for item in split_row(row):
            yield item, place


def split_row(row: Row) -> tuple[Row, ...]:
    """The two rows of a row of two answers, else the row itself."""
    value = row.value
    fields = next((pair for pair in ANSWER_FIELDS if pair[0] in value and pair[1] in value), None)
    if fields is None:
        return (row,)
    used, prompt, tools = _find_prompt(value) if fields == _NAMES else _read_input(value)
    answers = [_read_answer(value[field]) for field in fields]
    if not all(answers) or not (prompt or all(_find_speaker(answer) != "assistant" for answer in answers)):
        return (row,)
    left_out = {*fields, *used, *CHAT_FIELDS, *_NEITHERS}
    rest = {key: item for key, item in value.items() if key not in left_out} | tools
    return tuple(
        AnswerRow(row.line, {**rest, "messages": _join(prompt, answer)}, answer=name)
        for name, answer in zip(_NAMES, answers, strict=True)
    )


def name_answer(row: Row, name: str) -> str:
    """The trace id of a row that is called ``name``."""
    return f"{name}:{row.answer}" if isinstance(row, AnswerRow) else name


def find_row_name(row: Row, trace_id: str) -> str:
    """The name of the row that has a trace id: two answers share it."""
    return trace_id.removesuffix(f":{row.answer}") if isinstance(row, AnswerRow) else trace_id


def mark_answer(trace: Trace | None, row: Row) -> Trace | None:
    """The trace with what its row says of it: which of two answers it has, and the row's number."""
    if trace is None or not isinstance(row, AnswerRow):
        return trace
    root = trace.root_session_id
    root = find_row_name(row, root) if root == trace.trace_id else root
    meta = {**trace.source_meta, "preference": row.answer, "pair": row.line}
    return replace(trace, root_session_id=root, source_meta=meta)


def _find_prompt(value: Mapping[str, Any]) -> tuple[tuple[str, ...], list[Any], dict[str, Any]]:
    """The columns of the prompt, and its messages; none where there is no prompt."""
    for field in ("prompt", *CHAT_FIELDS):
        listed = _read_messages(value.get(field))
        if listed and (field == "prompt" or _find_speaker(listed[-1:]) != "assistant"):
            return (field,), listed, {}
    for field in PROMPT_FIELDS:
        text = get_text(value, field)
        if text is not None:
            more = get_text(value, "input") if field == "instruction" else None
            said = text if more is None else f"{text}\n{more}"
            return (field, "input") if more else (field,), [{"role": "user", "content": said}], {}
    return (), [], {}


def _read_input(value: Mapping[str, Any]) -> tuple[tuple[str, ...], list[Any], dict[str, Any]]:
    """As ``_find_prompt``, of the shapes of the services, with the tools, which stand beside the prompt."""
    given = value.get("input")
    record = as_record(parse_json(given)) if isinstance(given, str) else as_record(given)
    tools = {"tools": record["tools"]} if "tools" in record else {}
    return ("input",), _read_messages(record.get("messages")), tools


def _read_answer(value: Any) -> list[Any]:
    """The messages of an answer: a text, a message, or a list of messages; empty where it is none."""
    if isinstance(value, dict):
        return _read_messages([value])
    listed = _read_messages(value)
    is_text = isinstance(value, str) and value.strip() != "" and not listed
    return [{"role": "assistant", "content": value}] if is_text else listed


def _read_messages(value: Any) -> list[Any]:
    """A list of messages, also as JSON text; empty where an item of it has no known role."""
    listed = parse_list(value)
    return listed if all(find_role(as_record(item)) is not None for item in listed) else []


def _find_speaker(messages: list[Any]) -> str:
    """The role of the first message, ``assistant`` for any turn of a model."""
    role = find_role(as_record(messages[0]))
    return "assistant" if role in ("assistant", "call") else str(role)


def _join(prompt: list[Any], answer: list[Any]) -> list[Any]:
    """The conversation; what of the prompt the answer repeats stands once."""
    first = as_list(answer)[0]
    if first in prompt:
        return [*prompt[: prompt.index(first)], *answer]
    return [*prompt, *answer] if _find_speaker(answer) == "assistant" else answer
