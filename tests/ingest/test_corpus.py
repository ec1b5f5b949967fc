"""The readers against the truth table, which is made from the raw files by code that shares nothing with them."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracemill.ingest import SOURCES
from tracemill.ingest.source import LossLog, ReadOptions
from tracemill.trace import Message, Trace

CORPUS = os.environ.get("TRACEMILL_CORPUS", "")
NEEDS_CORPUS = pytest.mark.skipif(not CORPUS, reason="TRACEMILL_CORPUS is not set: no real traces to read")
FOLDERS = {
    "atif": "atif",
    "claude_code": "claude_code",
    "codex": "codex",
    "hermes": "hermes_agent",
    "pi": "pi_coding_agent",
}
TABLE = Path(__file__).parent.parent / "corpus_truth.tsv"


def read_table() -> dict[str, list[dict[str, str]]]:
    """Rows of the truth table by file."""
    rows: dict[str, list[dict[str, str]]] = {}
    with TABLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            rows.setdefault(row["file"], []).append(row)
    return rows


TRUTH = read_table()


def collapse(text: str) -> str:
    return " ".join(text.split())[:80]


def find_words(message: Message) -> str:
    if isinstance(message.content, str):
        return message.content
    return " ".join(str(part.get("text", "")) for part in message.content if part.get("type") == "text")


def find_goal(trace: Trace) -> str:
    for message in trace.messages:
        if message.role == "user" and message.origin == "human":
            return find_words(message)
    return ""


def describe(trace: Trace) -> dict[str, str]:
    results = {message.tool_call_id for message in trace.messages if message.role == "tool"}
    paired = sum(1 for message in trace.messages if message.role == "tool")
    assert len(results) <= paired
    return {
        "human_turns": str(trace.human_turn_count),
        "tool_calls": str(trace.tool_call_count),
        "paired_results": str(paired),
        "model": trace.model or "",
        "first_goal": collapse(find_goal(trace)),
        "last_words": collapse(trace.final_assistant_message),
    }


def read_corpus_file(name: str) -> tuple[list[Trace], LossLog]:
    path = Path(CORPUS) / name
    source = next(item for item in SOURCES if item.name == FOLDERS[name.split("/")[0]])
    log = LossLog(path=str(path))
    if not source.is_session_file(path):
        return [], log
    return list(source.read_file(path, log, ReadOptions())), log


@pytest.mark.corpus
@NEEDS_CORPUS
@pytest.mark.parametrize("name", sorted(TRUTH))
def test_a_corpus_file_reads_as_the_truth_says(name: str) -> None:
    traces, log = read_corpus_file(name)
    wanted = {row["trace_id"]: row for row in TRUTH[name] if row["trace_id"]}
    assert {trace.trace_id for trace in traces if trace.messages} == set(wanted)
    for trace in traces:
        truth = wanted[trace.trace_id]
        expected = {
            key: truth[key].strip() if key in ("first_goal", "last_words") else truth[key] for key in describe(trace)
        }
        assert {key: value.strip() for key, value in describe(trace).items()} == expected
    lost = ";".join(f"{reason}={count}" for reason, count in log.count_losses().items())
    assert lost == TRUTH[name][0]["lost"]


def list_sequences(trace: Trace) -> Iterator[tuple[Message, list[Message]]]:
    for index, message in enumerate(trace.messages):
        if message.tool_calls:
            followers: list[Message] = []
            for later in trace.messages[index + 1 :]:
                if later.role != "tool":
                    break
                followers.append(later)
            yield message, followers


@pytest.mark.corpus
@NEEDS_CORPUS
@pytest.mark.parametrize("name", sorted(TRUTH))
def test_every_call_is_followed_by_its_result_in_call_order(name: str) -> None:
    for trace in read_corpus_file(name)[0]:
        results = 0
        for turn, followers in list_sequences(trace):
            ids = [call.id for call in turn.tool_calls]
            answered = [str(message.tool_call_id) for message in followers]
            assert answered == [call_id for call_id in ids if call_id in answered] or len(set(ids)) < len(ids)
            results += len(followers)
        assert results == sum(1 for message in trace.messages if message.role == "tool")


@pytest.mark.corpus
@NEEDS_CORPUS
@pytest.mark.parametrize("name", sorted(TRUTH))
def test_the_head_names_the_root_of_the_body(name: str) -> None:
    path = Path(CORPUS) / name
    source = next(item for item in SOURCES if item.name == FOLDERS[name.split("/")[0]])
    traces, _ = read_corpus_file(name)
    if not traces or path.suffix == ".db":
        return
    head = source.read_head(path)
    assert head is not None
    assert head.root_session_id in {trace.root_session_id for trace in traces}
