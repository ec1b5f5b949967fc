"""What Hermes puts into the user role, told apart from what the person said.

Some notices are a message of their own; some stand before the person's words, a block in square brackets; a skill that
the person called is its whole text, with the person's words behind it.

Source: Hermes Agent, ``agent/skill_commands.py``, ``agent/conversation_loop.py``, ``agent/context_compressor.py`` and
``cron/scheduler.py``, as quoted in public repositories of 2026.
"""

from __future__ import annotations

#: How messages begin of which no word is the person's.
_WHOLE = (
    "[ASYNC DELEGATION",
    "[IMPORTANT: Background process",
    "[PRIOR CONTEXT",
    "[Your active task list was preserved across context compression]",
    "[Continuing toward your standing goal]",
    "[Your previous response was cut off",
    "You've reached the maximum number of tool-calling iterations allowed.",
    "You just executed tool calls but returned an empty response.",
    "Your previous turn indicated a tool call but none was included.",
    "Continue from the compressed conversation context above. This marker exists because",
)
#: How blocks begin that stand before the person's words.
_BLOCKS = (
    "[IMPORTANT: You are running as a scheduled cron job",
    "[Note: model was just switched from ",
    "[SYSTEM: ",
    "[System: ",
    "[System note: ",
    "[The user sent an image but",
)
_SKILLS = ('[IMPORTANT: The user has invoked the "', '[SYSTEM: The user has invoked the "')
_REQUESTS = (
    "\nThe user has provided the following instruction alongside the skill invocation: ",
    "\nUser instruction: ",
)
_RUNTIME_NOTE = "\n\n[Runtime note:"
#: The first that is there counts: brackets can stand within a block.
_BLOCK_ENDS = ("]\n", "] ")


def split_notices(text: str) -> tuple[str, str]:
    """What Hermes put there, and what the person said; each is empty where there is nothing of it."""
    start = text.lstrip()
    if start.startswith(_WHOLE):
        return text, ""
    if start.startswith(_SKILLS):
        return _split_skill(text)
    if not start.startswith(_BLOCKS):
        return "", text
    ends = [place for end in _BLOCK_ENDS if (place := start.find(end)) >= 0]
    if not ends:
        return text, ""
    end = ends[0] + 1
    more, words = split_notices(start[end:].lstrip())
    return "\n\n".join(part for part in (start[:end], more) if part), words


def _split_skill(text: str) -> tuple[str, str]:
    for request in _REQUESTS:
        place = text.rfind(request)
        if place >= 0:
            words, mark, note = text[place + len(request) :].partition(_RUNTIME_NOTE)
            return text[:place].rstrip() + mark + note, words.strip()
    return text, ""
