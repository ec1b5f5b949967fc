from __future__ import annotations

import os
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from schemas.agent_rollout_distillation import SftRecord, TraceDigest
from tracemill.columns.baseline import build_digest, build_record, score_record
from tracemill.columns.baseline_text import cut_sentences, make_instruction, make_response
from tracemill.columns.references import check_references
from tracemill.trace import Message, ToolCall, Trace

DIMENSIONS = ("groundedness", "standalone_task", "response_quality", "faithfulness", "training_utility")
GOAL = "Fix the rounding bug in `src/price.py` so that totals match the invoices"
ANSWER = (
    "The bug sat in `round_total` of `src/price.py`: it rounded every line. Totals are now rounded once and tests pass."
)

# (end of the file's path, trace id, why): looked at by eye, in the order failed, interrupted, trivial, answerless.
# The dataset must never recommend one of them.
NEVER = (
    ("badlogic__pi-mono/large-session.jsonl", "d703a1a9-1b7b-4fb1-b512-c9738b1fe617", "failed: ends in a broken build"),
    ("20261121_072439_8c9ee1.jsonl", "20261121_072439_8c9ee1", "failed: the file to print does not exist"),
    ("agent-36541525.jsonl", "4c2ddfdc-b619-4525-8d03-1950fb1b0257:36541525", "failed: invents tool calls as text"),
    ("marot__spotter/tool_heavy.jsonl", "d6e0bada-1959-4eec-a9d2-0bfade768d8f", "interrupted in a search"),
    ("marot__spotter/short.jsonl", "55604662-cf2a-4331-851a-ec234028f8ca", "interrupted: the tools were refused"),
    ("example-claude-code.jsonl", "cb947e5b-246e-4253-a953-631f7e464c6b", "interrupted before the first edit"),
    ("rollout-sample_rollout_known_event_types.jsonl", "00000000-0000-0000-0000-000000000004", "interrupted greeting"),
    ("lanegrid__agtrace/claude_agent.jsonl", "7f2abd2d-7cfc-4447-9ddd-3ca8d14e02e9:0c4c3cf8", "trivial: warm-up"),
    ("agent-50243ee8.jsonl", "4c2ddfdc-b619-4525-8d03-1950fb1b0257:50243ee8", "trivial: warm-up"),
    ("daaain__claude-code-log/session_b.jsonl", "session_b", "trivial: a line for a renderer"),
    ("git-ai/claude-model-not-last.jsonl", "sess-1", "trivial: an answer without the function"),
    ("rollout-text_only_stream.jsonl", "text-only-session-1", "trivial: the capital of France"),
    ("rollout-sample_rollout_unknown_event.jsonl", "00000000-0000-0000-0000-000000000002", "trivial: hello"),
    ("rollout-session_branch.jsonl", "rollout-session_branch", "trivial: which branch"),
    ("codemie-code/rollout-turn-2.jsonl", "a1b2c3d4-e5f6-7890-abcd-ef1234567890", "trivial: what can you do"),
    ("example_openclaw_session.jsonl", "0f853abd-d578-4a01-b37f-504880057fe4", "trivial: hi"),
    ("terminus_2__hello-world-timeout.trajectory.json", "NORMALIZED_SESSION_ID", "answerless: sleeps to the end"),
    ("pi-session-simple.jsonl", "pi-session-123", "answerless: announces the edit and stops"),
    ("openclaw_small.jsonl", "openclaw-stage0-small", "answerless: ends in the listing"),
    ("representative_messages.jsonl", "test_session", "answerless: the last request is open"),
    ("edge_cases.jsonl", "edge_cases", "answerless: the last request is open"),
    ("edge_cases.jsonl", "todowrite_session", "answerless: one call"),
    ("example_hermes_session.jsonl", "20260618_102031_bb7d6b", "answerless: the last request is open"),
    ("incremental-subagents/turn-1.jsonl", "e9fb405b-169f-40eb-9396-7e75076f045d", "answerless: ends in a search"),
    ("agent-a485154.jsonl", "e9fb405b-169f-40eb-9396-7e75076f045d:a485154", "answerless: announces the specification"),
    ("agent-acompact-946d2b.jsonl", "ae4a77f8-aedd-4bc1-888f-c94edc91af04:acompact-946d2b", "trivial: a compaction"),
    ("agent-sessions/large.jsonl", "ses_stage0_large", "trivial: Start, Ok"),
    ("nemo_relay_atif_v1.7_real_redacted.json", "real-nemo-relay-session-redacted", "answerless: redacted"),
)

# Looked at by eye: a clear task, work that was checked, an answer to it.
GOOD = (("agent-aac57f5.jsonl", "ae4a77f8-aedd-4bc1-888f-c94edc91af04:aac57f5"),)

# Looked at by eye: good work whose answer only reports it.
REPORTS = (
    ("rollout-teich-example_codex_session.jsonl", "019e1fee-81dd-7201-9fa9-8896944f0911"),
    ("fe5e1c67-53e7-4862-81ae-d0e013e3270b.jsonl", "fe5e1c67-53e7-4862-81ae-d0e013e3270b:60dade70"),
)


def make_trace(*middle: Message, goal: str = GOAL, answer: str = ANSWER, **fields: Any) -> Trace:
    messages = (Message("user", goal, "human"), *middle, Message("assistant", answer))
    return Trace("t", "codex", "/s", "t", messages, cwd="/srv/shop", **fields)


def do(number: int, name: str, arguments: str, output: str) -> tuple[Message, Message]:
    call = ToolCall(f"c{number}", name, arguments)
    return Message("assistant", tool_calls=(call,)), Message("tool", output, "tool", tool_call_id=call.id)


LOOK = do(
    1, "Read", '{"file_path": "/srv/shop/src/price.py"}', "def round_total(lines): return sum(round(l) for l in lines)"
)
EDIT = do(
    2, "Edit", '{"file_path": "/srv/shop/src/price.py", "old_string": "sum(round", "new_string": "round(sum"}', "ok"
)
PASSED = do(3, "Bash", '{"command": "pytest -q"}', "test_totals once rounded line: 4 passed in 0.1s")
FAILED = do(3, "Bash", '{"command": "pytest -q"}', "1 failed, 3 passed in 0.1s")


def judge(trace: Trace) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], bool]:
    digest = build_digest(trace)
    record = build_record(trace, digest)
    check = check_references(record["response"], trace)
    scores = score_record(trace, digest, record, check)
    is_fine = all(scores[name]["score"] >= 4 for name in DIMENSIONS) and not check.unsupported
    return digest, record, scores, is_fine and digest["training_value"] == "high"


def test_a_good_trace_is_recommended() -> None:
    digest, record, scores, is_recommended = judge(make_trace(*LOOK, *EDIT, *PASSED))
    assert {name: scores[name]["score"] for name in DIMENSIONS} == dict.fromkeys(DIMENSIONS, 4)
    assert is_recommended
    assert (digest["task_type"], digest["training_value"], record["difficulty"]) == ("bug fix", "high", "easy")
    assert digest["notable_actions"][:2] == [
        "Edited `price.py` (edits: 1).",
        "Ran tests (runs: 1, failed: 0); the last run passed: `pytest -q`.",
    ]
    assert record["instruction"] == GOAL
    assert record["response"] == ANSWER
    assert record["skill_tags"] == ["bug-fix", "python", "testing", "code-editing", "shell"]
    assert scores["groundedness"]["reasoning"] == "2 of 2 references found in the trace before the answer."


@pytest.mark.parametrize(
    ("trace", "dimension", "highest"),
    [
        (make_trace(*LOOK, *EDIT, *FAILED), "faithfulness", 1),
        (make_trace(*LOOK, *EDIT, *FAILED), "training_utility", 1),
        (make_trace(*LOOK, *EDIT), "training_utility", 3),
        (make_trace(*LOOK, *EDIT, *PASSED, success=False), "training_utility", 1),
        (make_trace(*LOOK, *EDIT, *PASSED, goal="fix that"), "standalone_task", 1),
        (make_trace(*LOOK, *EDIT, *PASSED, goal="it still fails, see the image above"), "standalone_task", 1),
        (make_trace(*LOOK, *EDIT, *PASSED, answer="Fixed."), "response_quality", 1),
        (make_trace(*LOOK, *EDIT, *PASSED, answer="Which of the two files should I edit?"), "response_quality", 2),
        (make_trace(*LOOK, *EDIT, *PASSED, answer="I set `TAX_RATE` in `conf/tax.yml`."), "groundedness", 1),
        (make_trace(goal="hi", answer="Hello! How can I help you today?"), "training_utility", 0),
        (make_trace(*LOOK, answer=""), "response_quality", 0),
    ],
    ids=[
        "claims-success", "failed", "untested", "outcome", "too-short", "dangling", "one-word", "question", "invented",
        "greeting", "answerless",
    ],
)  # fmt: skip
def test_a_fault_costs_the_score(trace: Trace, dimension: str, highest: int) -> None:
    _, _, scores, is_recommended = judge(trace)
    assert scores[dimension]["score"] <= highest, scores[dimension]
    assert not is_recommended


@pytest.mark.parametrize(
    ("answer", "is_report"),
    [
        ("Fixed. The sum in `src/price.py` is rounded once, which makes the totals match the invoices again.", True),
        ("## Summary\n\nBuilt a new rounding in `src/price.py` so that totals match the invoices.", True),
        ("The bug is in `src/price.py`. I added a test of the totals, and it now matches the invoices.", True),
        ("The rounding bug in `src/price.py` is gone. All 22 tests pass, and the totals match the invoices now.", True),
        ("The rounding was wrong in `src/price.py`, and the totals did not match. Dev server is running here.", True),
        ("Fixed-point totals in `src/price.py` round every line, so that totals miss the invoices by cents.", False),
        ("Generated code is not rounded: `src/price.py` rounds each line, so the totals differ from invoices.", False),
        ("I found that `src/price.py` rounds every line. To match the invoices, round the sum just once.", False),
    ],
    ids=["fixed", "built", "added", "all-pass", "server", "adjective", "participle", "finding"],
)  # fmt: skip
def test_a_report_of_work_costs_a_point(answer: str, is_report: bool) -> None:
    _, _, scores, _ = judge(make_trace(*LOOK, *EDIT, *PASSED, answer=answer))
    assert ("eports work" in scores["response_quality"]["reasoning"]) == is_report, scores["response_quality"]


def test_a_trace_without_words_has_an_empty_record() -> None:
    _, record, _, _ = judge(Trace("t", "codex", "/s", "t", ()))
    assert (record["instruction"], record["response"]) == ("", "")


def test_actions_count_edits_as_the_notes_do_and_end_at_a_word() -> None:
    patch = "*** Begin Patch\\n*** Update File: a.py\\n@@\\n+x\\n*** Update File: b.py\\n@@\\n+y\\n*** End Patch"
    words = "word " * 40
    digest, _, scores, _ = judge(
        make_trace(
            *do(1, "apply_patch", f'{{"input": "{patch}"}}', "ok"),
            *do(2, "Bash", f'{{"command": "run {words}"}}', "done"),
        )
    )
    assert digest["notable_actions"][0] == "Edited `a.py`, `b.py` (edits: 1)."
    assert digest["notable_actions"][1].endswith("word …`.")
    assert "1 edits" in digest["quality_notes"]
    assert "a command succeeded after the last edit" in scores["training_utility"]["reasoning"]


@pytest.mark.parametrize(
    "trace",
    [Trace("t", "codex", "/s", "t", ()), make_trace(goal="", answer=""), make_trace(*LOOK, *EDIT, *PASSED)],
    ids=["empty", "silent", "good"],
)
def test_rows_are_valid_under_the_schemas(trace: Trace) -> None:
    digest, record, scores, _ = judge(trace)
    TraceDigest.model_validate(digest)
    SftRecord.model_validate(record)
    assert tuple(scores) == DIMENSIONS
    assert all(0 <= score["score"] <= 4 and score["reasoning"] for score in scores.values())


@pytest.mark.parametrize(
    ("requests", "instruction"),
    [
        (["Hi Claude, could you please add a flag?"], "Add a flag."),
        (
            ["Can you help me understand how decorators work? Be brief."],
            "Help me understand how decorators work. Be brief.",
        ),
        (["please, why does app.py fail?"], "Why does app.py fail?"),
        (["hey, thanks. please fix app.py"], "Fix app.py"),
        (["Add tests.", "also update the docs in README.md"], "Add tests.\n\nAlso update the docs in README.md"),
        (["Sort it. As in our previous session, keep names. Use `sort`."], "Sort it. Use `sort`."),
        (["See:\n```\n1\n2\n3\n4\n5\n```\nwhy?"], "See:\n\nwhy?"),
        (["You drive a terminal.\n\nTask Description:\nCreate a.txt\n\nCurrent terminal state:\n$"], "Create a.txt"),
        ([""], ""),
    ],
    ids=["opener", "help", "question", "openers", "later", "session", "block", "protocol", "empty"],
)
def test_instruction_is_the_request_alone(requests: list[str], instruction: str) -> None:
    assert make_instruction(requests) == instruction


@pytest.mark.parametrize(
    ("answer", "response"),
    [
        ("Perfect! It works.\n\nLet me know if you need more.", "It works."),
        ("It prints:\n```\n1\n2\n3\n4\n5\n```\nand stops.", "It prints:\n\nand stops."),
        ("I now have all the facts. Let me compile them. The port is 80.", "The port is 80."),
        ("Done ✅ with it.\n2026-01-01 10:00:00 started\n## Next:", "Done with it."),
        (
            "## A\nText.\n### Example block\n\n```\n1\n2\n3\n4\n```\n\n### Note\n\nIt stays.",
            "## A\nText.\n\n### Note\n\nIt stays.",
        ),
        ("One.\n\nUse this:\n```\n1\n2\n3\n4\n```\nThen two.", "One.\n\nThen two."),
        ("It is in `a.py`. Use this:\n```\n1\n2\n3\n4\n```\nThen two.", "It is in `a.py`.\n\nThen two."),
        ("## A\n### B\nOne:\n- two\n```\n# x\n```", "## A\n### B\nOne:\n- two\n```\n# x\n```"),
    ],
    ids=["offer", "block", "narration", "log", "heading", "lead-in", "sentence", "nested"],
)
def test_response_is_the_answer_cleaned(answer: str, response: str) -> None:
    assert make_response(answer) == response


def test_a_long_answer_ends_at_a_sentence() -> None:
    text = " ".join(f"Sentence number {number} says one thing more." for number in range(100))
    cut = cut_sentences(text, 220)
    assert cut.endswith("more.")
    assert 200 < len(cut.split()) <= 220


@cache
def load_corpus() -> tuple[tuple[str, Trace], ...]:
    from tracemill.ingest import SOURCES
    from tracemill.ingest.source import LossLog, ReadOptions

    folder = os.environ["TRACEMILL_CORPUS"]
    folders = {"hermes_agent": "hermes", "pi_coding_agent": "pi"}
    found: list[tuple[str, Trace]] = []
    for source in SOURCES:
        for path in sorted(Path(folder, folders.get(source.name, source.name)).rglob("*")):
            if path.is_file() and source.is_session_file(path):
                found += ((str(path), trace) for trace in source.read_file(path, LossLog(str(path)), ReadOptions()))
    return tuple(found)


def require_corpus() -> tuple[tuple[str, Trace], ...]:
    if not os.environ.get("TRACEMILL_CORPUS"):
        pytest.skip("TRACEMILL_CORPUS is not set")
    return load_corpus()


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("file", "trace_id", "why"), NEVER, ids=[f"{why.split(':')[0]}-{file}" for file, _, why in NEVER]
)
def test_bad_corpus_traces_are_never_recommended(file: str, trace_id: str, why: str) -> None:
    chosen = [trace for path, trace in require_corpus() if path.endswith(file) and trace.trace_id == trace_id]
    assert chosen, f"{trace_id} is not in the corpus"
    for trace in chosen:
        digest, _, _, is_recommended = judge(trace)
        assert not is_recommended, why
        assert digest["training_value"] == "low", why


@pytest.mark.corpus
@pytest.mark.parametrize(("file", "trace_id"), GOOD, ids=[trace_id for _, trace_id in GOOD])
def test_good_corpus_traces_are_recommended(file: str, trace_id: str) -> None:
    chosen = [trace for path, trace in require_corpus() if path.endswith(file) and trace.trace_id.startswith(trace_id)]
    assert chosen, f"{trace_id} is not in the corpus"
    for trace in chosen:
        _, _, scores, is_recommended = judge(trace)
        assert is_recommended, scores


@pytest.mark.corpus
@pytest.mark.parametrize(("file", "trace_id"), REPORTS, ids=[trace_id for _, trace_id in REPORTS])
def test_reports_of_work_are_not_recommended(file: str, trace_id: str) -> None:
    chosen = [trace for path, trace in require_corpus() if path.endswith(file) and trace.trace_id.startswith(trace_id)]
    assert chosen, f"{trace_id} is not in the corpus"
    for trace in chosen:
        _, _, scores, is_recommended = judge(trace)
        assert not is_recommended
        assert "eports work" in scores["response_quality"]["reasoning"]


@pytest.mark.corpus
def test_no_score_has_one_value_for_most_of_the_corpus() -> None:
    judged = [judge(trace) for _, trace in require_corpus()]
    for name in DIMENSIONS:
        counts = Counter(scores[name]["score"] for _, _, scores, _ in judged)
        assert max(counts.values()) <= 0.8 * len(judged), (name, counts)
    assert 0 < sum(is_recommended for *_, is_recommended in judged) < len(judged) / 4
