"""Calls, results and tools that stand as tagged text in a conversation, as Hermes models write them.

A turn of the model ends with its calls, an answer holds a result for each, and the system prompt lists the tools::

    <tool_call>
    {"name": "find_book", "arguments": {"word": "lighthouse"}}
    </tool_call>

    <tool_response>
    {"name": "find_book", "content": ["Lighthouses of the North"]}
    </tool_response>

    <tools> [{"type": "function", "function": {"name": "find_book", "parameters": {}}}] </tools>

Tags within a sentence or a block of code are text: calls begin on a line of their own and nothing follows them. Calls
and tools are JSON, or the dicts and lists that Python shows (``{'name': 'find_book', 'arguments': {}}``), as parts of
the datasets have them.

Source: https://huggingface.co/datasets/NousResearch/hermes-function-calling-v1
"""

from __future__ import annotations

from typing import Any

from tracemill.ingest.json_fields import as_list, as_record, read_tool_definitions
from tracemill.ingest.python_literal import parse_literal

_CALL, _RESPONSE, _TOOLS = "tool_call", "tool_response", "tools"


def split_calls(text: str) -> tuple[str, list[str]] | None:
    """What is said before the calls, and the inside of each; None where a text does not end with calls."""
    opening = f"<{_CALL}>"
    if opening not in text:
        return None
    start = 0 if text.lstrip().startswith(opening) else text.find(f"\n{opening}")
    bodies = _split_elements(text[start:], _CALL) if start >= 0 else []
    return (text[:start].rstrip(), bodies) if bodies else None


def split_responses(text: str) -> list[str]:
    """The inside of each result of a text that is nothing but results, else an empty list."""
    return _split_elements(text, _RESPONSE)


def find_tools(text: str) -> tuple[dict[str, Any], ...]:
    """The tools that a prompt lists, as one list or an object a line; empty where there are none."""
    opening, closing = f"<{_TOOLS}>", f"</{_TOOLS}>"
    for part in text.split(opening)[1:]:
        body, closed, _ = part.partition(closing)
        if not closed or not body.strip():  # the prompt speaks of the tags before it has them
            continue
        whole = parse_literal(body)
        listed = as_list(whole) or ([whole] if as_record(whole) else list(map(parse_literal, body.strip().split("\n"))))
        tools = read_tool_definitions(listed)
        if tools and len(tools) == len(listed):
            return tools
    return ()


def _split_elements(text: str, tag: str) -> list[str]:
    """The inside of elements that follow one another with nothing between, before or after."""
    opening, closing = f"<{tag}>", f"</{tag}>"
    bodies: list[str] = []
    rest = text.strip()
    place = 0
    while place < len(rest):
        end = rest.find(closing, place) if rest.startswith(opening, place) else -1
        if end < 0:
            return []
        bodies.append(rest[place + len(opening) : end].strip())
        place = end + len(closing)
        while place < len(rest) and rest[place].isspace():
            place += 1
    return bodies
