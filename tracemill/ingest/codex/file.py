"""All that one Codex rollout holds, and which texts the conversation itself holds."""

from __future__ import annotations

from typing import Any

import msgspec

from tracemill.ingest.codex.fields import Block, CodexItem, Summary
from tracemill.ingest.codex.verdicts import VERDICT_KINDS, get_event_id, read_failure
from tracemill.ingest.json_fields import as_record, get_int, get_text
from tracemill.ingest.time_span import TimeSpan

_MIN_PART_CHARS = 40
_FEW_BLOCKS = 8
_GUIDE_STARTS = ("# AGENTS.md instructions", "<user_instructions>")
_EVENT_ROLES = {"event:user_message": "user", "event:agent_message": "assistant"}


class Squeezed(dict[str, str]):
    """Texts → the texts with all white space made one blank, as they are compared; each is squeezed once a file."""

    def __missing__(self, text: str) -> str:
        squeezed = self[text] = " ".join(text.split())
        return squeezed


class CodexFile(msgspec.Struct):
    """The rows of one file in order, and the kind of each.

    An event is only heard where no item of the conversation and no other event says the same. Texts are compared as
    they are, and without regard to white space only where that fails.
    """

    items: list[CodexItem]
    kinds: list[str]
    squeezed: Squeezed = msgspec.field(default_factory=Squeezed)
    _raw: dict[str, set[str]] | None = None
    _told: set[tuple[str, str]] | None = None
    _searches: dict[str, Any] | None = None
    _failures: dict[str, bool] | None = None
    _said: dict[str, set[str]] = {}

    def find_meta(self) -> dict[str, Any] | None:
        """What the first ``session_meta`` tells, the session's own."""
        return self.items[self.kinds.index("session_meta")].value if "session_meta" in self.kinds else None

    def list_values(self, kind: str) -> list[Any]:
        """The payloads of the rows of one kind."""
        if kind not in self.kinds:
            return []
        return [item.value for item in self.items if item.kind == kind]

    def count_kinds(self) -> dict[str, int]:
        """How many rows there are of each kind, by name."""
        counts = dict.fromkeys(sorted(set(self.kinds)), 0)
        for kind in self.kinds:
            counts[kind] += 1
        return counts

    def measure_span(self) -> TimeSpan:
        """The time that the rows cover."""
        span = TimeSpan()
        span.add_all([item.timestamp for item in self.items if item.timestamp is not None])
        return span

    def has_said(self, role: str, text: str) -> bool:
        """Whether an item of the conversation holds the text; an event can lack a citation that the item has."""
        if self._raw is None:
            self._raw = self._list_texts()
        if text in self._raw.get(role, ()):
            return True
        said = self._squeeze_said(role)
        key = self.squeezed[text]
        return key in said or (len(key) >= _MIN_PART_CHARS and any(key in other for other in said))

    def has_told(self, role: str, text: str) -> bool:
        """Whether a user or agent event holds the text."""
        if self._told is None:
            told = [(_EVENT_ROLES[item.kind], item.value.message) for item in self.items if item.kind in _EVENT_ROLES]
            self._told = {(speaker, self.squeezed[pick_text(words) or ""]) for speaker, words in told}
        return (role, self.squeezed[text]) in self._told

    def has_guide(self, text: str) -> bool:
        """Whether a user item repeats the text, as it is or as the instructions of a project."""
        said = self._squeeze_said("user")
        if not said:
            return False
        key = self.squeezed[text]
        return key in said or any(other.startswith(_GUIDE_STARTS) and key in other for other in said)

    def find_results(self, call_id: str) -> Any:
        """What an event says that a search on the web found."""
        if self._searches is None:
            ends = self.list_values("web_search_end")
            self._searches = {pick_text(end.call_id) or "": end.results for end in ends}
        return self._searches.get(call_id)

    def find_failure(self, call_id: str | None) -> bool | None:
        """Whether an event says that a call failed, or that it did not; None where none says."""
        if self._failures is None:
            if VERDICT_KINDS.isdisjoint(self.kinds):
                self._failures = {}
                return None
            values = [item.value for kind, item in zip(self.kinds, self.items, strict=True) if kind in VERDICT_KINDS]
            told = ((value, read_failure(value)) for value in values)
            self._failures = {get_event_id(value): failed for value, failed in told if failed is not None}
        return self._failures.get(call_id or "")

    def find_copied(self) -> frozenset[int]:
        """The lines of a sub-agent's file that repeat the history of its parent, where late versions say so."""
        start = get_int(self.find_meta() or {}, "subagent_history_start_ordinal")
        return frozenset(
            item.line
            for item in self.items
            if (start is not None and isinstance(item.ordinal, int) and item.ordinal < start)
            or (item.metadata is not None and as_record(item.metadata).get("inherited_user_message") is True)
        )

    def has_letter(self, value: Any) -> bool:
        """Whether an item of the conversation holds what a row of letters between agents says."""
        mail, text = self.list_values("agent_message"), pick_text(value.content)
        return any(text in list_texts(other.content) or (other.id and other.id == value.id) for other in mail)

    def _list_texts(self) -> dict[str, set[str]]:
        """All texts of the conversation's own items by role, as they are; those of one item together too."""
        raw: dict[str, set[str]] = {}
        for kind, item in zip(self.kinds, self.items, strict=True):
            if kind == "message":
                value = item.value
                role, texts = str(value.role), list_texts(get_content(value))
            elif kind == "reasoning":
                value = item.value
                role, texts = "reasoning", list_texts(value.summary) + list_texts(value.content)
            else:
                continue
            known = raw.setdefault(role, set())
            known.update(texts)
            if len(texts) != 1:
                known.add(" ".join(texts))
        return raw

    def _squeeze_said(self, role: str) -> set[str]:
        if self._raw is None:
            self._raw = self._list_texts()
        if role not in self._said:
            self._said[role] = {self.squeezed[text] for text in self._raw.get(role, ())}
        return self._said[role]


def get_block_text(block: Any) -> str | None:
    """The text of a content block, under the keys that producers use."""
    if isinstance(block, (Block, Summary)):
        text = block.text
        return text if text and not text.isspace() else pick_text(block.output_text)
    return block if isinstance(block, str) else get_text(as_record(block), "text", "output_text")


def list_texts(content: Any) -> list[str]:
    """The texts of content: a string, or blocks."""
    if isinstance(content, str):
        return [content]
    if not content:
        return []
    if content.__class__ is list and len(content) > _FEW_BLOCKS and content[0].__class__ is Block:  # then all are
        found = [block.text for block in content]
        if all(found) and not any(map(str.isspace, found)):
            return found
    texts: list[str] = []
    for block in content if content.__class__ is list else (content,):
        text = block.text if block.__class__ is Block else None
        if not text or text.isspace():
            text = get_block_text(block)
        if text is not None:
            texts.append(text)
    return texts


def pick_text(value: Any, *others: Any) -> str | None:
    """The first value that is a string with something in it."""
    if isinstance(value, str) and value and not value.isspace():
        return value
    for other in others:
        if isinstance(other, str) and other and not other.isspace():
            return other
    return None


def get_content(value: Any) -> Any:
    """The content of a message item; in legacy rows it can stand under ``message``."""
    return value.content if value.content is not None else value.message
