"""Untrusted text inside a prompt: a fence with a nonce, and nothing inside that could pass for the prompt's own marks.

Every replacement has the length of what it replaces, so that a text within a budget stays within it.
"""

from __future__ import annotations

import hashlib
import re

#: Names of tags that Data Designer or a chat template reads as its own when they stand in a prompt.
_TAG_NAMES = (
    "response_schema|trace_view|think|thinking|tool_call|tool_calls|tool_response|tool_result|function_calls"
    "|function_results|start_of_turn|end_of_turn|bos|eos|pad|unk|s|system|assistant|im_start|im_end|extra_id_\\d+|SPECIAL_\\d+"
)
_TAG = re.compile(rf"<(?=\s{{0,9}}/?\s{{0,9}}(?:{_TAG_NAMES})(?=[\s/>])[^<>]{{0,200}}>)", re.IGNORECASE)
# <|im_start|>, <|eot_id|>, DeepSeek's fullwidth <｜User｜>
_TOKEN = re.compile(r"<(?=[|｜][^|｜<>\n]{1,80}[|｜]>)")
_INSTRUCTION = re.compile(r"\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])|<(?=</?SYS>>)")
# Data Designer 0.9.6 refuses rendered text with <function … at …> or <built-in method …>
# (engine/processing/ginja/environment.py, _assert_rendered_text_has_no_builtin_descriptions).
_PYTHON_REPR = re.compile(r"<(?=(?:function|built-in)\b)")
# control characters, zero-width and bidi marks, Unicode tag characters: what a reader cannot see
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069"
    "\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def defuse_text(text: str, name: str = "trace_view") -> str:
    """``text`` with nothing in it that reads as a control mark: same length, ``<`` became ``[`` and ``[`` became ``(``.

    Changed are tags called ``name``, chat-template tokens and tags (``<|im_start|>``, ``</s>``, ``[INST]``),
    ``<response_schema>``, the reprs that Data Designer's SECURE rendering refuses; invisible characters become U+FFFD.
    """
    if not text.isprintable():
        text = _INVISIBLE.sub("\ufffd", text.replace("\r\n", " \n"))
    if "<" in text:
        text = _TAG.sub("[", text)
        text = re.sub(rf"<(?=\s{{0,9}}/?\s{{0,9}}{re.escape(name)}(?![\w-]))", "[", text, flags=re.IGNORECASE)
        text = _PYTHON_REPR.sub("[", _TOKEN.sub("[", text))
    return _INSTRUCTION.sub("(", text)


def make_nonce(text: str, trace_id: str) -> str:
    """12 hex digits from the text and the trace it shows: the same for the same, and not to be foreseen by the text."""
    return hashlib.sha256(f"{trace_id}\x00{text}".encode("utf-8", "replace")).hexdigest()[:12]


def fence(text: str, name: str, nonce: str) -> str:
    """``text`` between an opening and a closing tag that bear the nonce; the text is defused for that name."""
    return f'<{name} id="{nonce}">\n{defuse_text(text, name)}\n</{name} id="{nonce}">'
