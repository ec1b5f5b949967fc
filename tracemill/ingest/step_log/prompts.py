"""The prompts of a step log: what a model was really given, and the turns that a prompt repeats.

The agent writes its ``llm_request`` before it puts the newest things into its prompt: the driver's pending notes and,
in the JSON protocol, the result of the last call. The request after it has them, before the turn that answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracemill.ingest.json_fields import as_record, get_text
from tracemill.ingest.step_log.actions import parse_said, read_native_calls
from tracemill.trace import Message


def complete_prompt(prompt: Sequence[Any], following: Sequence[Any], result: str | None) -> list[Any]:
    """What the model was given at a request.

    ``prompt``: the messages as logged; ``following``: those of the run's next request, empty where there is none;
    ``result``: the text of a result that no prompt has shown yet, None where there is none.
    """
    added = _find_added(prompt, following)
    if not added and result is not None and _ends_with_turn(prompt):
        added = [{"role": "tool", "content": result}]
    return [*prompt, *added]


def convert_turn(record: dict[str, Any], content: str | tuple[dict[str, Any], ...], *, is_example: bool) -> Message:
    """A model turn as a prompt repeats it, or an example of one that nobody said."""
    calls = read_native_calls(record.get("tool_calls"))
    if not calls and isinstance(content, str):
        action = parse_said(content)
        content, calls = action.text, action.calls
    reasoning = get_text(record, "reasoning_content", "reasoning")
    return Message("assistant", content, "injected" if is_example else "model", reasoning, calls)


def _find_added(prompt: Sequence[Any], following: Sequence[Any]) -> list[Any]:
    """What the next prompt tells between the end of this one and the turn that answered it."""
    added: list[Any] = []
    for item in following[len(prompt) :]:
        if _read_role(item) == "assistant":
            return added if added and _goes_on(prompt, following) else []
        added.append(item)
    return []


def _goes_on(prompt: Sequence[Any], following: Sequence[Any]) -> bool:
    try:
        return all(old == new for old, new in zip(prompt, following, strict=False))
    except RecursionError:  # nested deeper than can be compared
        return False


def _ends_with_turn(prompt: Sequence[Any]) -> bool:
    """Whether nothing but notes comes after the model's last turn."""
    roles = (_read_role(item) for item in reversed(prompt))
    return next((role for role in roles if role not in ("system", "developer")), None) == "assistant"


def _read_role(item: Any) -> Any:
    return as_record(item).get("role")
