"""What can be measured of a trace without a model: how it went and how it ended.

Input: a whole ``Trace``. Output: ``Signals``; what the offline baseline and rule filters judge by.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from tracemill.trace import Trace
from tracemill.view.answer import find_answer, is_interrupt, is_small_talk
from tracemill.view.calls import Call, CallKind, read_calls
from tracemill.view.results import TestVerdict

_REFUSAL = re.compile(
    r"\s*(?:I(?:'m| am) (?:sorry|unable)|Sorry|I can(?:'t|not) (?:help|assist|do|fulfil|comply|provide|access)|I won't"
    r"|As an AI)",
)
_ERROR_END = re.compile(
    r"\s*(?:API Error|\[?(?:Internal )?Error\b|Credit balance|Prompt is too long|Invalid API key|Rate limit"
    r"|Request timed out|You've (?:hit|reached) your|Claude (?:AI )?usage limit|Operation interrupted"
    r"|Failed to authenticate|stream error)",
    re.IGNORECASE,
)
_GIVES_UP = re.compile(
    r"\bI(?:'m| am| was)? (?:unable to|not able to|could not|couldn't|failed to|ran into|hit) (?:complete|finish|fix"
    r"|resolve|solve|get|make|reproduce|access|directly|inspect|find a way|an? (?:error|limit|wall))",
    re.IGNORECASE,
)
_ANNOUNCES = re.compile(
    r"(?:^|[.!?:]\s+|\n)(?:Now,? )?(?:let me(?! know)|I'll|I will|I'm going to|I am going to|next,? I|let's)\b"
    r"[^.!?\n]*[.:…]?$",
    re.IGNORECASE,
)
_GREETING = re.compile(
    r"\s*(?:hi|hello|hey|yo|test|testing|ping|thanks|thank you|good (?:morning|evening|day)|say (?:hi|hello)|help|exit"
    r"|quit)\b[\w ,!.?']{0,20}$",
    re.IGNORECASE,
)
# what a harness asks of the model when its context is full
_HARNESS_REQUEST = re.compile(
    r"\s*(?:Your task is to create a detailed summary of (?:the|this|our) (?:conversation|session)"
    r"|You are performing a context checkpoint compaction|You are about to hand off your work to another AI)",
    re.IGNORECASE,
)
_MAX_LATER_REQUESTS = 2
_TRIVIAL_GOAL_WORDS = 5
_TRIVIAL_ANSWER_WORDS = 30
_EMPTY_WORDS = 2


@dataclass(frozen=True, slots=True)
class Signals:
    """Measured facts about one trace.

    Shares are 0 to 1, None where there is nothing to divide by. ``ended_with_answer``: the model's last words are a
    text with no call, interrupt or open request after it. ``is_request_open``: a person asked again and got no answer.
    ``last_tests``: the verdict of the last test run. ``edits_without_later_test``: edits after the last test run.
    ``runs_after_last_edit``: commands and tests that succeeded after the last edit. ``is_last_request_long``: the last
    thing that a person asked is too long or too short to be added to an instruction (``list_requests`` leaves it out).
    ``repeated_call_share``: calls that repeat an earlier one word for word. ``longest_failure_run``: most failed calls
    in a row. ``is_trivial``: no tool call, and a greeting or a few words on either side; or one or
    two words on both sides. ``is_harness_request``: the goal is a harness's request for a summary of the conversation.
    """

    ended_with_answer: bool
    is_interrupted: bool
    is_request_open: bool
    has_goal: bool
    is_trivial: bool
    is_harness_request: bool
    is_refusal: bool
    is_error_end: bool
    gives_up: bool
    asks_back: bool
    announces_work: bool
    goal_words: int
    answer_words: int
    human_turns: int
    calls: int
    failed_calls: int
    failed_call_share: float | None
    kinds: Mapping[CallKind, int]
    last_tests: TestVerdict | None
    edits: int
    edited_paths: tuple[str, ...]
    edits_without_later_test: int
    runs_after_last_edit: int
    is_last_request_long: bool
    ends_in_failed_call: bool
    longest_failure_run: int
    repeated_call_share: float | None
    success: bool | None

    @property
    def has_failed(self) -> bool:
        """Whether the outcome, the last tests, or the model's own last words say that the task was not done."""
        return (
            self.success is False
            or self.last_tests == "failed"
            or self.is_error_end
            or self.is_refusal
            or self.gives_up
            or (self.ends_in_failed_call and self.failed_calls * 2 >= self.calls)
        )


def compute_signals(trace: Trace, calls: Sequence[Call] | None = None) -> Signals:
    """The signals of a trace. ``calls``: ``read_calls(trace)`` where the caller has them already."""
    calls = read_calls(trace) if calls is None else calls
    answer, goal = find_answer(trace), trace.goal
    text = answer.text.replace("’", "'")
    failed = [call.result.status == "error" for call in calls]
    edits = [call for call in calls if call.kind == "edit" and call.result.status in ("ok", "none")]
    last_edit = edits[-1].number if edits else 0
    test_runs = [call for call in calls if call.tests is not None]
    last_run = test_runs[-1].number if test_runs else 0
    return Signals(
        ended_with_answer=answer.is_final,
        is_interrupted=answer.is_interrupted,
        is_request_open=answer.is_request_open,
        has_goal=bool(goal),
        is_trivial=_is_trivial(goal, text, len(calls)),
        is_harness_request=bool(_HARNESS_REQUEST.match(goal)),
        is_refusal=bool(_REFUSAL.match(text)),
        is_error_end=bool(_ERROR_END.match(text)),
        gives_up=bool(_GIVES_UP.search(text[:600])),
        asks_back=text.rstrip("*_ )\n").endswith("?"),
        announces_work=bool(_ANNOUNCES.search(text[-300:])),
        goal_words=len(goal[:20_000].split()),
        answer_words=len(text[:20_000].split()),
        human_turns=trace.human_turn_count,
        calls=len(calls),
        failed_calls=sum(failed),
        failed_call_share=round(sum(failed) / len(calls), 4) if calls else None,
        kinds=dict(Counter(call.kind for call in calls)),
        last_tests=test_runs[-1].tests if test_runs else None,
        edits=len(edits),
        edited_paths=tuple(dict.fromkeys(path for call in edits for path in call.paths)),
        edits_without_later_test=sum(1 for call in edits if call.number > last_run),
        runs_after_last_edit=sum(1 for call in calls if call.number > last_edit and _is_good_run(call)),
        is_last_request_long=_is_last_request_long(trace),
        ends_in_failed_call=bool(failed) and failed[-1],
        longest_failure_run=max((len(list(run)) for is_failed, run in groupby(failed) if is_failed), default=0),
        repeated_call_share=_share_repeated(calls),
        success=trace.success,
    )


def list_requests(trace: Trace) -> list[str]:
    """The first human turn, and the last two later ones that ask for something in 4 to 120 words."""
    texts = _list_human_texts(trace)
    return texts[:1] + [text for text in texts[1:] if _is_plain_request(text)][-_MAX_LATER_REQUESTS:]


def _is_last_request_long(trace: Trace) -> bool:
    texts = _list_human_texts(trace)
    return len(texts) > 1 and not _is_plain_request(texts[-1]) and not is_small_talk(texts[-1])


def _is_good_run(call: Call) -> bool:
    return call.kind in ("run", "test") and call.result.status == "ok"


def _share_repeated(calls: Sequence[Call]) -> float | None:
    if not calls:
        return None
    counts = Counter((call.name, call.subject, call.changes) for call in calls)
    return round(sum(count - 1 for count in counts.values()) / len(calls), 4)


def _list_human_texts(trace: Trace) -> list[str]:
    turns = (item for item in trace.messages if item.role == "user" and item.origin == "human")
    return [turn.text.strip() for turn in turns if not is_interrupt(turn)]


def _is_plain_request(text: str) -> bool:
    return 4 <= len(text[:4_000].split()) <= 120 and not is_small_talk(text)


def _is_trivial(goal: str, answer: str, calls: int) -> bool:
    goal_words, answer_words = len(goal[:2_000].split()), len(answer[:2_000].split())
    if calls:
        return 0 < goal_words <= _EMPTY_WORDS and 0 < answer_words <= _EMPTY_WORDS
    is_short = goal_words <= _TRIVIAL_GOAL_WORDS or answer_words <= _TRIVIAL_ANSWER_WORDS
    return is_short or bool(_GREETING.match(goal[:200]))
