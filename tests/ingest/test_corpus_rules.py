"""The readers against the table of rules, which is made from the raw files by code that shares nothing with them."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.corpus_rules_copies import count_conversations
from tests.corpus_rules_model import COLUMNS, HOSTED, count_names, sign, weigh, weigh_arguments
from tests.ingest.test_corpus import CORPUS, FOLDERS, NEEDS_CORPUS, read_corpus_file
from tracemill.ingest import get_source, store_inventory
from tracemill.ingest.inventory import Selection, locate_files, take_inventory
from tracemill.redact import Redactor
from tracemill.trace import Message, ToolCall, Trace

TABLES = Path(__file__).parent.parent
LETTERS = {"human": "h", "injected": "i", "compaction": "c", "tool": "i", "model": "m"}


def read_table(name: str) -> Iterator[dict[str, str]]:
    with (TABLES / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


def read_rules() -> dict[str, dict[str, dict[str, str]]]:
    """Rows of the table by file and trace."""
    rows: dict[str, dict[str, dict[str, str]]] = {}
    for row in read_table("corpus_rules.tsv"):
        rows.setdefault(row["file"], {})[row["trace_id"]] = row
    return rows


def read_contexts() -> dict[tuple[str, str], list[tuple[str, str]]]:
    """What the model saw at each step, by file and trace; for the traces that hold a compaction."""
    steps: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in read_table("corpus_rules_contexts.tsv"):
        steps.setdefault((row["file"], row["trace_id"]), []).append((row["kinds"], row["chars"]))
    return steps


TRUTH = read_rules()
CONTEXTS = read_contexts()


def letter(message: Message) -> str:
    if message.origin == "compaction":
        return "c"
    if message.role == "user":
        return LETTERS[message.origin]
    return {"system": "s", "assistant": "m", "tool": "t"}[message.role]


def count_images(message: Message) -> int:
    return 0 if isinstance(message.content, str) else sum(part.get("type") == "image" for part in message.content)


def list_results(trace: Trace) -> list[Message]:
    """Results whose text is compared: those of tools that do not run at the provider."""
    results: list[Message] = []
    waiting: list[ToolCall] = []
    for message in trace.messages:
        waiting = list(message.tool_calls) if message.role == "assistant" else waiting
        if message.role == "tool":
            call = next(call for call in waiting if call.id == message.tool_call_id)
            waiting.remove(call)
            results += [message] if call.name not in HOSTED else []
    return results


def describe_head(trace: Trace) -> list[object]:
    values: list[object] = [trace.parent_trace_id, trace.is_sidechain, trace.agent_id, trace.cwd, trace.git_branch]
    return [*values, trace.git_commit, trace.repository_url, len(trace.tools)]


def describe_messages(trace: Trace) -> list[object]:
    order = "".join(map(letter, trace.messages))
    turns = [message for message in trace.messages if message.role == "assistant"]
    names = [call.name for message in turns for call in message.tool_calls]
    values: list[object] = [sign([order]), *(order.count(kind) for kind in "shicmt"), count_names(names), sign(names)]
    values += [trace.failed_call_count, sum(bool((turn.reasoning_content or "").strip()) for turn in turns)]
    values += [sum(map(count_images, trace.messages))]
    values += [count_names([turn.model for turn in turns if turn.model])]
    return [*values, count_names([turn.stop_reason for turn in turns if turn.stop_reason])]


def describe_chars(trace: Trace) -> list[object]:
    by_kind = {kind: sum(weigh(m.words) for m in trace.messages if letter(m) in kind) for kind in ("s", "hi", "c", "m")}
    values: list[object] = [trace.input_tokens, trace.output_tokens, *by_kind.values()]
    values += [sum(weigh(message.reasoning_content or "") for message in trace.messages)]
    calls = [call for message in trace.messages for call in message.tool_calls if call.name not in HOSTED]
    values += [sum(weigh_arguments(call.arguments) for call in calls)]
    return [*values, sum(weigh(message.words) for message in list_results(trace))]


def describe_steps(trace: Trace) -> list[tuple[str, str]]:
    """For each step the kinds of what the model saw, and its weight."""
    results = {id(message) for message in list_results(trace)}
    steps: list[tuple[str, str]] = []
    for _, seen in trace.contexts():
        counted = [message for message in seen if message.role != "tool" or id(message) in results]
        steps.append(("".join(map(letter, seen)), str(sum(weigh(message.words) for message in counted))))
    return steps


def describe_references(trace: Trace) -> list[object]:
    meta = trace.source_meta
    references = len(meta.get("subagent_trajectory_refs", [])) + ("continued_trajectory_ref" in meta)
    return [len(meta.get("copied_context_messages", [])), references]


def describe(trace: Trace) -> dict[str, str]:
    steps = describe_steps(trace)
    values = describe_head(trace) + describe_messages(trace) + describe_chars(trace)
    values += [sum(len(kinds) for kinds, _ in steps), sum(int(chars) for _, chars in steps)]
    values += [*describe_references(trace), trace.task_id, trace.reward, trace.success]
    return dict(zip(COLUMNS, ["" if value is None else str(value) for value in values], strict=True))


@pytest.mark.corpus
@NEEDS_CORPUS
@pytest.mark.parametrize("name", sorted(TRUTH))
def test_a_corpus_file_keeps_every_rule(name: str) -> None:
    traces = {trace.trace_id: trace for trace in read_corpus_file(name)[0] if trace.messages}
    assert set(traces) == set(TRUTH[name])
    for trace_id, trace in traces.items():
        truth = TRUTH[name][trace_id]
        assert describe(trace) == {column: truth[column] for column in COLUMNS}


@pytest.mark.corpus
@NEEDS_CORPUS
@pytest.mark.parametrize(("name", "trace_id"), sorted(CONTEXTS))
def test_each_step_saw_what_the_raw_rows_say(name: str, trace_id: str) -> None:
    trace = next(trace for trace in read_corpus_file(name)[0] if trace.trace_id == trace_id)
    assert describe_steps(trace) == CONTEXTS[name, trace_id]


@pytest.mark.corpus
@NEEDS_CORPUS
@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_copies_are_one_trace_and_conflicts_are_two(name: str, tmp_path: Path) -> None:
    pairs = {(file, trace_id) for file, rows in TRUTH.items() for trace_id in rows}
    different, copies = count_conversations(Path(CORPUS), name, pairs)
    source, selection = get_source(FOLDERS[name]), Selection()
    root, files = locate_files(source, str(Path(CORPUS) / name))
    inventory = take_inventory(source, root, files, selection)
    result = store_inventory(source, inventory, selection, tmp_path, redactor=Redactor())
    assert Counter(trace_id.partition("~")[0] for trace_id in result.store.trace_ids) == different
    assert result.intake.repeated == copies
