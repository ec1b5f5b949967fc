"""The offline judge: five scores of 0 to 4 from what can be measured of a trace and its record.

Input: a whole ``Trace``, the baseline's digest and record, the reference check of the response. Output: the fields of
``sft_quality_judge_result``, each ``{"reasoning": str, "score": int}``. It is a baseline: ``judge_kind`` is
``heuristic``, and it is stricter than a reader would be where it cannot tell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from tracemill.columns.baseline_text import count_words
from tracemill.columns.haystack import Haystack, build_haystack
from tracemill.columns.references import ReferenceCheck, check_references, find_references
from tracemill.columns.signals import Signals, compute_signals
from tracemill.trace import Trace
from tracemill.view.answer import find_answer

TrainingValue = Literal["high", "medium", "low"]
Score = dict[str, Any]

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]{3,}|\d[\d.,]*\d|\d{2,}")
_STOP_WORDS = frozenset(
    """
    about above after again also another because been before being below between both could does doing done down each
    every from further have having here into itself just like made make makes many more most much need needs only other
    over same should since some such than that their them then there these they this those through time under until
    very want were what when where which while will with within without would your yours
    """.split()  # noqa: SIM905
)
_DANGLING_START = re.compile(
    r"\s*(?:this|that|it|these|those|they|them|he|she|yes|no|yep|nope|ok|okay|continue|go on|go ahead|proceed|do it"
    r"|again|also|and|but|or|then|still|now|same|the above|as (?:above|before|discussed)|try again|next|both|option"
    r"|number|\d+)\b",
    re.IGNORECASE,
)
_DEICTIC = re.compile(
    r"\b(?:above|below|as (?:before|discussed|mentioned|I said)|earlier|previous(?:ly)?|attached|last time|following"
    r"|the (?:screenshot|image|picture)|you (?:just|said|did|made|wrote)|like (?:this|that|before)|here(?:'s| is)?"
    r"|(?:current|this|rest of|more of|existing) (?:\w+ )?(?:repo|repository|project|codebase|app|folder|directory)"
    r"|the (?:repo|repository|codebase)"
    r"|this (?:one|error|issue|file|code|message|text|change|plan|bug)|that (?:one|file|error|issue|is|was)"
    r"|we (?:did|said|discussed)|i (?:manually|just))\b",
    re.IGNORECASE,
)
_CLAIMS_SUCCESS = re.compile(
    r"\b(?:tests? (?:are |now |all )*pass(?:es|ed|ing)?|fixed|works|working|successfully|complete)\b",
    re.IGNORECASE,
)
_DID = (
    r"(?:add|creat|fix|updat|implement|chang|remov|refactor|renam|replac|mov|delet|install|configur|clean|edit|patch"
    r"|modif|complet|finish|verifi|test|migrat|deploy|commit|push|generat|scaffold|build|convert|adjust|rework|extend"
    r"|restor|resolv|correct|merg|copi|copy|start|execut|introduc|appli|extract|enabl|disabl|wir|bump)(?:e?d|t?ed)"
)
_DONE = rf"(?:{_DID}|built|wrote|made|ran|set up|rewrote)"
# a report of work done, at the start of a response or in any sentence of it
_REPORT_START = re.compile(
    rf"(?:\s*#[^\n]*\n)*[\s*_>-]*(?:{_DID}|Built|Wrote|Rewrote|Made|Ran|Done|All\b[^.\n]{{0,80}}\bpass(?:es|ed|ing)?)"
    r"(?![\w-])(?!(?:\s+\w+){1,2}\s+(?:is|are|lives?|gets?|has|have)\b)",  # not "Generated code is …"
    re.IGNORECASE,
)
_REPORT = re.compile(
    rf"\b(?:I|We) (?:(?:also|then|now|just|successfully|have|first|only) ){{0,3}}{_DONE}\b"
    r"|\b(?:I|We)['’]ve (?!(?:found|seen|noticed|read|looked|got)\b)"
    r"|\ball (?:the |of the )?(?:\d+ )?tests? (?:are )?(?:now )?pass(?:ed|ing)?\b"
    r"|\b(?:has|have) been (?:\w+ly )?(?:created|implemented|completed)\b"
    r"|\bsuccessfully \w+(?:ed|ilt|an)\b|\b(?:\w+ed|ran|built|runs?|is running) successfully\b"
    r"|\bserver is (?:now )?(?:running|up|live)\b",
    re.IGNORECASE,
)
_SESSION_WORDS = re.compile(
    r"\b(?:transcript|trajectory|rollout|chat session|this (?:session|conversation|chat))\b", re.I
)


def judge_training_value(signals: Signals) -> tuple[TrainingValue, str]:
    """How much a trace could teach, and why.

    low: it failed, was interrupted, has no answer, no goal, or is trivial. high: it has an answer to its goal, at least
    two calls of which at most 30 % failed, no loop, and no edit of code that a later test left failing. Else medium.
    """
    faults = list_faults(signals)
    if faults:
        return "low", "Not usable: " + ", ".join(faults) + "."
    counts = f"{signals.calls} calls, {signals.failed_calls} failed, {signals.edits} edits"
    facts = f"{counts}, last tests: {signals.last_tests or 'none'}"
    share = signals.failed_call_share or 0.0
    is_looping = (signals.repeated_call_share or 0.0) > 0.3 or signals.longest_failure_run >= 4
    if signals.calls < 2 or share > 0.3 or is_looping or signals.answer_words < 12:
        return "medium", f"Little to learn from, or a bumpy way: {facts}."
    return "high", f"A request, work and an answer: {facts}."


def list_faults(signals: Signals) -> list[str]:
    """The reasons for which a trace must not be recommended, empty where there is none."""
    faults = (
        (not signals.has_goal, "no goal"),
        (signals.is_trivial, "trivial"),
        (signals.is_harness_request, "a harness asked for a summary of the conversation"),
        (signals.is_interrupted, "interrupted by the user"),
        (signals.is_request_open, "a later request has no answer"),
        (not signals.ended_with_answer, "no final answer"),
        (signals.is_refusal, "a refusal"),
        (signals.is_error_end, "ended in an error"),
        (signals.gives_up, "the model gave up"),
        (signals.last_tests == "failed", "the last tests failed"),
        (signals.success is False, "the outcome is a failure"),
        (signals.has_failed and signals.ends_in_failed_call, "the last call failed"),
        (signals.announces_work, "the last words announce work that was not done"),
    )
    return [name for is_true, name in faults if is_true]


def score_record(
    trace: Trace, digest: Mapping[str, Any], record: Mapping[str, Any], check: ReferenceCheck
) -> dict[str, Score]:
    """The five scores of a record. Each formula is in the docstring of the function that makes it."""
    signals = compute_signals(trace)
    evidence = build_haystack(trace, find_answer(trace).index)
    response, instruction = str(record["response"]), str(record["instruction"])
    return {
        "groundedness": _score_groundedness(response, evidence, check, signals),
        "standalone_task": _score_standalone(instruction, signals),
        "response_quality": _score_response(instruction, response, signals),
        "faithfulness": _score_faithfulness(response, evidence, signals),
        "training_utility": _score_utility(signals, str(digest["training_value"])),
    }


def _score_groundedness(response: str, evidence: Haystack, check: ReferenceCheck, signals: Signals) -> Score:
    """Share of the response's references that the trace holds outside of the answer itself.

    4 from 85 %, 3 from 70 %, 2 from 45 %, 1 from 20 %, else 0; at most 2 with a reference that the whole trace lacks.
    Without references: the share of its content words found so decides, one point lower; 0 without an answer.
    """
    if not signals.answer_words:
        return _grade(0, "no answer, so nothing is grounded")
    found = check_references(response, evidence)
    if found.support is None:
        share, total = _share_found(response, evidence)
        score = _step(share, (0.9, 0.8, 0.6, 0.4)) if signals.calls else min(1, _step(share, (0.9, 0.8, 0.6, 0.4)))
        return _grade(score, f"no reference to look up; {share:.0%} of {total} content words found in the trace")
    score = _step(found.support, (0.85, 0.7, 0.45, 0.2))
    held = found.total - len(found.unsupported)
    text = f"{held} of {found.total} references found in the trace before the answer"
    if check.unsupported:
        return _grade(min(score, 2), f"{text}; {len(check.unsupported)} nowhere, e.g. {check.unsupported[0]}")
    return _grade(score, text)


def _score_standalone(instruction: str, signals: Signals) -> Score:
    """4, less: 2 for under 6 words (4 for under 3); 2 for a start that leans on what came before; 1 for words that
    point to something not there; 1 for under 10 words, or a part under 8, that name nothing concrete; 2 for talk of
    sessions or transcripts; 1 for more than 3 human turns (2 for more than 8), 2 where the last request is not in the
    instruction: the answer then belongs to more than the instruction says."""
    words = count_words(instruction)
    references = len(find_references(instruction))
    is_thin = min(count_words(part) for part in instruction.split("\n\n")) < 8 and "\n\n" in instruction
    deductions = (
        (4 if words < 3 else 2 if words < 6 else 0, f"{words} words"),
        (2 if _DANGLING_START.match(instruction) else 0, "starts with a word that leans on earlier talk"),
        (1 if _DEICTIC.search(instruction) else 0, "points to something that is not in it"),
        (1 if (words < 10 or is_thin) and not references else 0, "names nothing concrete"),
        (2 if signals.is_last_request_long else 0, "the answer is to a later request that is not in it"),
        (2 if _SESSION_WORDS.search(instruction) else 0, "mentions a session"),
        (0 if signals.human_turns <= 3 else 1 if signals.human_turns <= 8 else 2, f"{signals.human_turns} human turns"),
        (4 if not signals.has_goal else 0, "no person spoke"),
    )
    return _deduct(deductions, f"{words} words, {references} references, nothing left open")


def _score_response(instruction: str, response: str, signals: Signals) -> Score:
    """4, less: 4 for no final answer, a refusal or an error; 3 for under 8 words (1 for under 16); 1 where cleaning
    left less than 40 % of the answer; 2 for a question back or an announcement; 1 where it shares less than 8 % of the
    instruction's content words; 2 for raw JSON; 1 where it reports work done ("I added", "Fixed.", "All tests pass",
    "Dev server is running") in place of explaining: a model would learn to claim work that it did not do."""
    words = count_words(response)
    asked, said = _list_words(instruction), _list_words(response)
    overlap = len(asked & said) / len(asked) if asked else 0.0
    is_unusable = not signals.ended_with_answer or signals.is_refusal or signals.is_error_end
    deductions = (
        (4 if is_unusable else 0, "no final answer to use"),
        (3 if words < 8 else 1 if words < 16 else 0, f"{words} words"),
        (1 if signals.answer_words > 2.5 * max(1, words) else 0, f"{signals.answer_words} words cut to {words}"),
        (2 if signals.asks_back or signals.announces_work else 0, "ends in a question or an announcement"),
        (1 if overlap < 0.08 else 0, f"shares {overlap:.0%} of the instruction's words"),
        (2 if response.lstrip().startswith(("{", "[{")) else 0, "is raw JSON"),
        (1 if _reports_work(response) else 0, "reports work done in place of explaining"),
    )
    return _deduct(deductions, f"{words} words, shares {overlap:.0%} of the instruction's words")


def _score_faithfulness(response: str, evidence: Haystack, signals: Signals) -> Score:
    """Share of the response's content words, names and numbers (twice the weight) that the trace holds outside of the
    answer itself: 4 from 70 %, 3 from 55 %, 2 from 40 %, 1 from 25 %, else 0; at most 1 where it claims success and the
    last tests failed or the outcome is a failure; at most 2 without any tool call; 0 without an answer."""
    if not signals.answer_words:
        return _grade(0, "no answer")
    share, total = _share_found(response, evidence)
    score = _step(share, (0.7, 0.55, 0.4, 0.25))
    text = f"{share:.0%} of {total} content words found in the trace before the answer"
    if (signals.last_tests == "failed" or signals.success is False) and _CLAIMS_SUCCESS.search(response):
        return _grade(min(score, 1), f"{text}; claims success although the outcome is a failure")
    if not signals.calls:
        return _grade(min(score, 2), f"{text}; no tool call backs it")
    return _grade(score, text)


def _score_utility(signals: Signals, training_value: str) -> Score:
    """0 with a fault (failed, interrupted, trivial, no goal, no answer) and no call, 1 with a fault, else 2, plus 1
    for training value high, plus 1 where the work is checked: tests passed or a command succeeded after the last edit,
    the outcome is a success, or nothing was edited and at least two calls succeeded."""
    faults = list_faults(signals)
    facts = f"{signals.calls} calls ({signals.failed_calls} failed), {signals.edits} edits"
    if faults:
        return _grade(1 if signals.calls and signals.has_goal else 0, f"{', '.join(faults)}; {facts}")
    is_tested = bool(signals.edits) and signals.runs_after_last_edit > 0
    is_study = not signals.edits and signals.calls - signals.failed_calls >= 2
    checks = (
        (signals.success is True, "the outcome is a success"),
        (is_tested and signals.last_tests == "passed", "the last tests passed"),
        (is_tested, "a command succeeded after the last edit"),
        (is_study, f"nothing edited and {signals.calls - signals.failed_calls} calls succeeded"),
    )
    check = next((name for is_true, name in checks if is_true), "")
    score = 2 + (training_value == "high") + bool(check)
    return _grade(score, f"{facts}, {check or 'no check of the work'}, training value {training_value}")


def _reports_work(response: str) -> bool:
    return bool(_REPORT_START.match(response) or _REPORT.search(response))


def _list_words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text[:20_000])} - _STOP_WORDS


def _share_found(text: str, evidence: Haystack) -> tuple[float, int]:
    """Share of the content words of a text that the evidence holds; names and numbers weigh twice."""
    words = sorted({word.rstrip(".,") for word in _WORD.findall(text) if word.lower() not in _STOP_WORDS})
    found, total = 0, 0
    for word in words:
        weight = 1 if word.isalpha() and word[1:].islower() else 2
        forms = (word, word.lower(), word.replace(",", ""))
        total += weight
        found += weight if any(form in evidence.text for form in forms) else 0
    return (found / total if total else 0.0), len(words)


def _step(share: float, limits: tuple[float, float, float, float]) -> int:
    return next((4 - number for number, limit in enumerate(limits) if share >= limit), 0)


def _deduct(deductions: tuple[tuple[int, str], ...], praise: str) -> Score:
    reasons = [reason for points, reason in deductions if points]
    return _grade(max(0, 4 - sum(points for points, _ in deductions)), ", ".join(reasons) or praise)


def _grade(score: int, reasoning: str) -> Score:
    return {"reasoning": reasoning[:1].upper() + reasoning[1:] + ".", "score": int(score)}
