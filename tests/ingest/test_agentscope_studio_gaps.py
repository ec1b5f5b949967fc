"""AgentScope Studio: spans that are gone, prompts that no earlier reply explains, files that are damaged."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from tests import agentscope_database as db
from tests.agentscope_database import make_agent, make_model, make_tool, say, say_call, say_result, text_block
from tracemill.ingest.agentscope_studio.reader import SOURCE
from tracemill.ingest.inventory import Selection, take_inventory
from tracemill.trace import Trace

FIRST = db.ask("Poll it.")
#: Ollama's ids count within one answer: every reply has them again.
STEPPED = [*FIRST, say_call("0_poll", "poll"), say_result("0_poll", "busy")]
ENDED = [*STEPPED, say("assistant", "It is done.")]
AGAIN = [*ENDED, say("user", "Poll it."), say_call("0_poll", "poll"), say_result("0_poll", "later")]
SECOND: db.Json = {"trace": "t2", "parent": "a2"}


def show(trace: Trace) -> list[tuple[str, str]]:
    return [(message.origin, message.text) for message in trace.messages]


def make_spans(gone: str) -> list[db.Json]:
    """Two replies of two model calls; the first call of the reply ``gone`` is missing, or its attributes are cut."""
    spans = [
        make_agent("a1", 0, "Poll it."),
        make_model("m1", 1, FIRST, db.call_block("0_poll", "", "poll")),
        make_tool("x1", 2, "0_poll", "busy", error="Timeout"),
        make_model("m2", 3, STEPPED, text_block("It is done.")),
        make_agent("a2", 10, "Poll it.", trace="t2"),
        make_model("m3", 11, [*ENDED, say("user", "Poll it.")], db.call_block("0_poll", "", "poll"), **SECOND),
        make_model("m4", 12, AGAIN, text_block("Done again."), **SECOND),
    ]
    spans[5]["attributes"] = "{cut" if gone == "m3" else spans[5]["attributes"]
    return [span for span in spans if (span["id"], gone) != ("m1", "m1")]


ONE = [("injected", "S"), ("human", "Poll it."), ("model", ""), ("tool", "busy"), ("model", "It is done.")]
TWO = [("injected", "S"), ("human", "Poll it."), ("model", ""), ("tool", "later"), ("model", "Done again.")]


@pytest.mark.parametrize("gone", ["", "m1", "m3"], ids=["none", "missing", "unreadable"])
def test_a_reply_without_its_first_span_keeps_its_question_and_first_step(tmp_path: Path, gone: str) -> None:
    path = db.write_database(tmp_path / "database.sqlite", make_spans(gone), "new")
    (first, second), log = db.read(path)
    assert (show(first), show(second)) == (ONE, TWO)
    assert (first.source_meta.get("earlier_messages"), second.source_meta["earlier_messages"]) == (None, 4)
    assert log.count_losses() == ({"bad_json": 1} if gone == "m3" else {})
    result = first.messages[3]
    assert (result.is_error, result.timestamp) == (True, "2026-10-05T07:00:02.500000Z")
    (whole,), _ = db.read(path, "run")
    assert show(whole) == [*ONE, *TWO[1:]]


def test_a_reply_that_cannot_be_read_at_all_is_history_that_nobody_told(tmp_path: Path) -> None:
    spans = make_spans("")
    spans[1]["attributes"] = spans[3]["attributes"] = "{cut"
    (trace,), log = db.read(db.write_database(tmp_path / "database.sqlite", spans, "new"))
    assert show(trace) == [*ONE, *TWO[1:]]
    assert (trace.trace_id, log.count_losses()) == ("t2", {"bad_json": 2})


def test_what_other_agents_said_in_the_role_of_the_model_is_no_history(tmp_path: Path) -> None:
    heard = [*db.ask("Which one?"), say("assistant", "The red one.", name="Ada")]
    later = [*heard, say("assistant", "No, blue."), say("user", "Sure?"), say("assistant", "Red!", name="Ada")]
    spans = [
        make_agent("a1", 0, "Which one?"),
        make_model("m1", 1, heard, text_block("No, blue.")),
        make_agent("a2", 10, "Sure?", trace="t2"),
        make_model("m2", 11, later, text_block("Yes."), **SECOND),
    ]
    (first, second), _ = db.read(db.write_database(tmp_path / "database.sqlite", spans, "new"))
    assert [text for _, text in show(first)] == ["S", "Which one?", "The red one.", "No, blue."]
    assert [text for _, text in show(second)] == ["S", "Sure?", "Red!", "Yes."]


def test_another_conversation_with_the_same_call_ids_is_no_later_reply(tmp_path: Path) -> None:
    longer = [*STEPPED, say_call("1_poll", "poll"), say_result("1_poll", "late")]
    spans = [
        make_agent("a1", 0, "Poll it."),
        make_model("m1", 1, longer, text_block("It is done.")),
        make_agent("a2", 10, "Poll it.", trace="t2"),
        make_model("m3", 11, [say("system", "T"), *STEPPED[1:]], text_block("Yes."), **SECOND),
    ]
    path = db.write_database(tmp_path / "database.sqlite", spans, "new")
    wanted = [[*ONE[:4], ("model", ""), ("tool", "late"), ONE[4]], [("injected", "T"), *ONE[1:4], ("model", "Yes.")]]
    assert [show(trace) for trace in db.read(path)[0]] == wanted
    assert [show(trace) for trace in db.read(path, "run")[0]] == wanted


def test_a_memory_from_which_the_latest_was_taken_goes_on(tmp_path: Path) -> None:
    asked = [say("user", "And now?"), say("assistant", "Now too."), say("user", "More?")]
    spans = [
        *make_spans("")[:4],
        make_agent("a2", 10, "And now?", trace="t2"),
        make_model("m3", 11, [*ENDED, asked[0]], text_block("Now too."), **SECOND),
        make_agent("a3", 20, "More?", trace="t3"),
        make_model("m4", 21, [*ENDED, *asked], text_block("No more."), trace="t3", parent="a3"),
        make_agent("a4", 30, "What else?", trace="t4"),
        make_model("m5", 31, [*ENDED, say("user", "What else?")], text_block("Nothing."), trace="t4", parent="a4"),
    ]
    path = db.write_database(tmp_path / "database.sqlite", spans, "new")
    traces, _ = db.read(path)
    assert show(traces[3]) == [("injected", "S"), ("human", "What else?"), ("model", "Nothing.")]
    assert len(db.read(path, "run")[0]) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty_file"), (b"hello", "foreign_file"), (b"SQLite format 3\x00 but no more", "unreadable_file")],
)
def test_malformed_files(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "database.sqlite"
    path.write_bytes(content)
    traces, log = db.read(path)
    assert (traces, [loss.reason for loss in log.losses]) == ([], [reason])
    assert SOURCE.list_entries(path) is None
    with pytest.raises(OSError, match="damaged or cut") if reason == "unreadable_file" else nullcontext():
        assert SOURCE.read_head(path) is None


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_a_part_of_a_database_is_damaged_and_not_of_another_format(tmp_path: Path, share: float) -> None:
    path = db.write_database(tmp_path / "database.sqlite", db.SPANS)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    inventory = take_inventory(SOURCE, tmp_path, [path], Selection())
    told = "the database is damaged or cut: database disk image is malformed"
    assert [(loss.reason, loss.detail) for loss in inventory.rejects] == [("unreadable_file", told)]
    assert [(loss.reason, loss.detail) for loss in db.read(path)[1].losses] == [("unreadable_file", told)]
