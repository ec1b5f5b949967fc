"""What stands in the texts of a MiroFlow session: tool calls in the model's words, tools in the system prompt.

Source: MiroMindAI/MiroThinker, ``src/utils/prompt_utils.py``, ``parsing_utils.py`` and ``src/io/output_formatter.py``;
of the same names in MiroMindAI/MiroFlow, and ``handle_max_turns_reached_summary_prompt`` of its clients.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tracemill.ingest.json_fields import as_record
from tracemill.ingest.python_literal import parse_literal
from tracemill.trace import ToolCall

_OPEN, _CLOSE = "<use_mcp_tool>", "</use_mcp_tool>"
_FIELDS = re.compile(r"\s*<server_name>([^<]*)</server_name>\s*<tool_name>([^<]*)</tool_name>\s*<arguments>", re.DOTALL)
_END_OF_ARGUMENTS = re.compile(r"</arguments>\s*</use_mcp_tool>")
_THINK_OPEN, _THINK_CLOSE = "<think>", "</think>"
_TOOL_HEADING = re.compile(r"^##(?P<deep>#?) (?:Server|Tool) name: (?P<name>.+)$", re.MULTILINE)
_DESCRIPTION, _SCHEMA = "Description: ", re.compile(r"\n(?:Input JSON schema|Schema): ")
#: A main agent's history may give each user message an id of its own.
_MESSAGE_ID = re.compile(r"\[msg_[^\]\s]{1,40}\] ")
_ASKS = (
    "Summarize the above",
    "This is a direct instruction to you (the assistant)",
    "The task was not completed successfully. Do NOT call any tools.",
)
_FAILED = re.compile(r"Tool call to (.{1,200}) on (.{1,200}) failed\. Error:")
_REFUSED = "Your tool call format was incorrect, and the tool invocation failed"
#: MiroFlow puts its request behind results that no turn has answered.
_ASK_RULE = "\n\n-----------------\n\n"
_EARLIER_ATTEMPTS = "\n\n=== Previous Attempts Analysis ==="


@dataclass(frozen=True, slots=True)
class SaidText:
    """A text of the model in three: what it thought, what it said, and what it called."""

    text: str
    reasoning: str | None = None
    calls: tuple[ToolCall, ...] = ()


def name_tool(server: str, tool: str) -> str:
    """The name under which a server's tool is offered to models that call functions."""
    return f"{server}-{tool}"


def split_said(text: str, first_call: int) -> SaidText:
    """Split a text of the model; calls get the ids ``call_<n>`` from ``first_call`` on.

    A block that is cut or has other fields stays in the text, as it did for the producer.
    """
    reasoning: str | None = None
    start = text.lstrip()
    if start.startswith(_THINK_OPEN) and _THINK_CLOSE in start:
        thought, _, text = start.removeprefix(_THINK_OPEN).partition(_THINK_CLOSE)
        reasoning = thought.strip() or None
    calls: list[ToolCall] = []
    kept: list[str] = []
    end = 0
    for begin, stop, name, arguments in _find_calls(text):
        kept.append(text[end:begin])
        calls.append(ToolCall(f"call_{first_call + len(calls)}", name, arguments))
        end = stop
    kept.append(text[end:])
    said = "\n\n".join(part for part in map(str.strip, kept) if part) if calls else text.strip()
    return SaidText(said, reasoning, tuple(calls))


def is_ask(text: str) -> bool:
    """Whether a user text is the harness's request for the final answer, and no tool result."""
    return cut_id(text).startswith(_ASKS)


def split_ask(text: str) -> tuple[str, str]:
    """Results, and the request for the final answer that was put behind them; empty where there is none."""
    results, rule, ask = text.partition(_ASK_RULE)
    while rule and not is_ask(ask):
        more, rule, ask = ask.partition(_ASK_RULE)
        results = f"{results}{_ASK_RULE}{more}"
    return (results, ask) if rule else (text, "")


def read_failure(text: str) -> bool | None:
    """Whether a tool result says that its call failed; None where it does not say."""
    start = cut_id(text)
    return True if start.startswith(_REFUSED) or _FAILED.match(start) else None


def name_failed_tool(text: str) -> str | None:
    """The tool of which a result says that it failed; None where it names none."""
    found = _FAILED.match(cut_id(text))
    return name_tool(found[2], found[1]) if found else None


def split_task(text: str) -> tuple[str, str]:
    """The task, and what the harness put after it about earlier attempts."""
    place = text.find(_EARLIER_ATTEMPTS)
    return (text, "") if place < 0 else (text[:place], text[place:].strip())


def read_tools(prompt: str) -> tuple[dict[str, Any], ...]:
    """The tools that a system prompt lists, as OpenAI function schemas."""
    tools: list[dict[str, Any]] = []
    server = ""
    headings = list(_TOOL_HEADING.finditer(prompt))
    for place, heading in enumerate(headings):
        name = heading["name"].strip()
        if not heading["deep"]:
            server = name
            continue
        stop = headings[place + 1].start() if place + 1 < len(headings) else len(prompt)
        described, *schema = _SCHEMA.split(prompt[heading.end() : stop].strip(), maxsplit=1)
        function = {
            "name": name_tool(server, name) if server else name,
            "description": described.removeprefix(_DESCRIPTION).strip(),
            "parameters": _read_schema("".join(schema).strip()) or {"type": "object", "properties": {}},
        }
        tools.append({"type": "function", "function": function})
    return tuple(tools)


def _find_calls(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Begin, end, name and arguments of each whole call; every part of the text is looked at once."""
    begin = text.find(_OPEN)
    while begin >= 0:
        after = begin + len(_OPEN)
        fields = _FIELDS.match(text, after)
        if fields is not None:
            closed = _END_OF_ARGUMENTS.search(text, fields.end())
            if closed is None:
                return
            after = closed.end()
            name = name_tool(fields[1].strip(), fields[2].strip())
            yield begin, after, name, text[fields.end() : closed.start()].strip()
        begin = text.find(_OPEN, after)


def _read_schema(text: str) -> dict[str, Any]:
    """A schema as JSON, or as Python shows a dict: the prompt is made by formatting one."""
    text = text.partition("\n# ")[0].strip()
    return as_record(parse_literal(text)) or as_record(parse_literal(text.partition("\n")[0]))


def cut_id(text: str) -> str:
    """The text without the id that a run may give each user message."""
    start = text.lstrip()
    found = _MESSAGE_ID.match(start)
    return start[found.end() :] if found else start
