"""Cleaning a goal into an instruction and an answer into a response, by rules: nothing is added, only left out."""

from __future__ import annotations

import re
from collections.abc import Iterable

RESPONSE_WORDS = 220
INSTRUCTION_WORDS = 200
_KEPT_BLOCK_LINES = 3

_SCAN_CHARS = 20_000
_FENCE = re.compile(r"^[ \t]*(```+|~~~+)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)\n?", re.MULTILINE | re.DOTALL)
_OPENER = re.compile(
    r"^(?:(?:hi|hello|hey|hey there|ok(?:ay)?|so|alright|great|perfect|nice|cool|thanks|thank you"
    r"|good (?:morning|evening))"
    r"(?: (?:claude|codex|there|all|again|so much))?[,.!]*\s+(?!\w+ing\b))+",
    re.IGNORECASE,
)
_MENTION = re.compile(r"^(?:@\"[^\"\n]{1,80}\"|@[\w-]+ \(agent\))\s*")  # @"solution-architect (agent)" do this
_ASKING = re.compile(
    r"^(?:(?:can|could|would|will) (?:you|u)(?: please| kindly)?(?: also)?|(?:please|pls)"
    r"|(?:i(?:'d| would) like you to|i want you to|i need you to))[,:]?\s+",
    re.IGNORECASE,
)
# without its "can you" the first sentence is a request, unless it goes on as a question
_ASKED = re.compile(r"^((?:[^.!?\n]|[.!?](?!\s|$))*)\?(?=\s|$)")
_QUESTION_WORD = re.compile(
    r"(?:what|why|how|when|where|who|which|whose|is|are|was|were|does|do|did|can|could|should|would|will|has|have)\b",
    re.IGNORECASE,
)
_CUT = "\x00"  # stands for a block or a log line that was left out
_ABOUT_TRACES = re.compile(
    r"\b(?:this|the|our|your|my|previous|last|above|current|earlier|prior) (?:agent )?(?:session|conversation|chat"
    r"|transcript|trace|trajectory|rollout|context window)s?\b",
    re.IGNORECASE,
)
_TAG = re.compile(r"</?[a-zA-Z][\w-]*(?: [^<>]{0,200})?/?>|\[image [^\]]{0,80}\]|\[Image #\d+\]")
_LOG_LINE = re.compile(
    r"^\s{0,40}(?:\d{4}-\d\d-\d\d[T ]\d\d:|\d\d:\d\d:\d\d|\[?(?:INFO|DEBUG|WARN|ERROR|TRACE)\]?[ :]|[│┌└├─]{2,}"
    r"|\$ |>>> |at .{1,200}\(.{0,200}:\d+\)|File \".{1,200}\", line \d+|\d+[→|:]\t?|[+-]{3} [ab]/|@@ )"
)
_OFFER = re.compile(
    r"^(?:let me know|would you like|do you want|shall i|should i|want me to|feel free|is there anything"
    r"|if you(?:'d)? like)\b.*$",
    re.IGNORECASE | re.MULTILINE,
)
_EXCLAIMED = re.compile(
    r"^(?:perfect|great|excellent|done|awesome|all (?:set|done)|success|sure|certainly|of course|absolutely)[!.]\s+",
    re.IGNORECASE,
)
_NARRATION = re.compile(
    r"^(?:(?:(?:now )?i (?:now )?have (?:all|enough|everything|a (?:complete|clear|full))|(?:now )?let me)\b"
    r"[^.!:\n]{0,200}[.!:]\s+)+",
    re.IGNORECASE,
)
_EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf\u2b50\ufe0f\u200d]+ ?")
# terminal agents wrap the task in their protocol: the task stands between these two lines
_TASK_MARK = re.compile(r"^Task Description:\s*\n(.*?)(?=^Current [Tt]erminal [Ss]tate:|\Z)", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"\s{0,3}(#{1,6}) ")
_CUT_ANNOUNCEMENT = re.compile(r"(?:(?<=[.!?])\s+|^)(?:(?![.!?]\s).)*:[*_ ]*$")
_SENTENCE_END = re.compile(r"(?<=[.!?])(?:[\"')*_`]*)\s+|\n{2,}|\n(?=[-*•#\d])")


def count_words(text: str) -> int:
    """Words of a text, separated by whitespace."""
    return len(text.split())


def cut_sentences(text: str, words: int) -> str:
    """The head of a text up to ``words`` words, ended at a sentence or a list item where there is one."""
    if count_words(text) <= words:
        return text
    kept, used = 0, 0
    start = 0
    for match in _SENTENCE_END.finditer(text):
        used += count_words(text[start : match.start()])
        if used > words:
            break
        start = match.end()
        kept = match.start()
    head = text[:kept].rstrip()
    if count_words(head) * 3 >= words:
        return _drop_dangling_heading(head)
    return " ".join(text.split()[:words]).rstrip(",;:") + " …"


def split_sentences(text: str) -> list[str]:
    """Sentences and list items, without what is empty."""
    return [part.strip() for part in _SENTENCE_END.split(text) if part.strip()]


def make_instruction(requests: Iterable[str]) -> str:
    """One request out of the human turns: openers, pasted blocks and talk about the session left out.

    Nothing that a request leaves open is resolved; what stays open shows in the standalone score.
    """
    parts = [cleaned for request in requests if (cleaned := _clean_request(request))]
    return cut_sentences("\n\n".join(parts), INSTRUCTION_WORDS)


def make_response(answer: str) -> str:
    """The answer as prose of at most about 220 words: long code, logs, tables, offers and exclamations left out."""
    text = _drop_blocks(answer[:_SCAN_CHARS].replace(_CUT, ""))
    text = _EMOJI.sub("", _TAG.sub("", text))
    lines = [_CUT if _LOG_LINE.match(line) else line.rstrip() for line in text.splitlines()]
    lines = [line for line in lines if not re.fullmatch(r"\s*(?:-{3,}|\*{3,}|={3,})", line)]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(_drop_unled(lines)))
    text = _NARRATION.sub("", _EXCLAIMED.sub("", _OFFER.sub("", text).strip()))
    return _drop_dangling_heading(cut_sentences(text.strip(), RESPONSE_WORDS))


def _clean_request(request: str) -> str:
    text = request[:_SCAN_CHARS].strip()
    if found := _TASK_MARK.search(text):
        text = found.group(1).strip()
    text = _TAG.sub(" ", _drop_blocks(text).replace(_CUT, ""))
    lines = [line.rstrip() for line in text.splitlines() if not _LOG_LINE.match(line)]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    for pattern in (_MENTION, _OPENER, _ASKING):
        bare = pattern.sub("", text).strip()
        is_asked = bare != text or bare.lower().startswith("help me ")
        if pattern is _ASKING and is_asked and not _QUESTION_WORD.match(bare):
            bare = _ASKED.sub(r"\1.", bare)
        text = bare
    if _ABOUT_TRACES.search(text):
        text = " ".join(part for part in split_sentences(text) if not _ABOUT_TRACES.search(part))
    first, space, _ = text.partition(" ")  # a first word such as `billing_days()` is a name: it stays as it is
    return text[:1].upper() + text[1:] if space and first.isalpha() else text


def _drop_blocks(text: str) -> str:
    """Fenced blocks longer than three lines left out for ``_CUT``; the fences of short ones kept."""

    def decide(match: re.Match[str]) -> str:
        return match.group() if match.group(2).count("\n") <= _KEPT_BLOCK_LINES else f"{_CUT}\n"

    return _FENCE.sub(decide, text)


def _drop_unled(lines: list[str]) -> list[str]:
    """Lines without ``_CUT``, and without the headings and announcing lines that have lost what they announced."""
    kept: list[str] = []  # from the last line up: what follows a line is known when the line is reached
    after, is_cut, is_fenced = "", False, False
    for line in reversed(lines):
        if line.lstrip().startswith(("```", "~~~")):
            is_fenced = not is_fenced
        if line == _CUT:
            is_cut = True
            kept.append("")
            continue
        if not line.strip() or is_fenced:
            kept.append(line)
            after = line if line.strip() else after
            continue
        if _is_left_over(line, after, is_cut):
            line = _CUT_ANNOUNCEMENT.sub("", line) if not _HEADING.match(line) else ""
            if not line:
                continue
        kept.append(line)
        after, is_cut = line, False
    return kept[::-1]


def _is_left_over(line: str, after: str, is_cut: bool) -> bool:
    next_heading = _HEADING.match(after)
    if heading := _HEADING.match(line):
        return not after or bool(next_heading and len(next_heading[1]) <= len(heading[1]))
    if not line.rstrip("*_ ").endswith(":"):
        return False
    goes_on = after.lstrip()[:1].islower()  # "It prints: … and stops."
    return not after or (is_cut and not goes_on)


def _drop_dangling_heading(text: str) -> str:
    """A heading or an announcing line that has lost what it announced is left out at the end."""
    lines = text.rstrip().splitlines()
    while len(lines) > 1 and (
        re.match(r"\s*#{1,6} ", lines[-1]) or lines[-1].rstrip("*_ ").endswith(":") or not lines[-1]
    ):
        lines.pop()
    return "\n".join(lines)
