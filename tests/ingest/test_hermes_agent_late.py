"""What late databases of Hermes Agent (schema 31) hold beside what earlier ones did."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.ingest.hermes_agent_rows import MESSAGES, SESSIONS, make_call, make_state
from tracemill.ingest.hermes_agent.reader import SOURCE
from tracemill.ingest.source import LossLog, ReadOptions


def test_a_system_prompt_in_a_table_of_its_own_is_found(tmp_path: Path) -> None:
    """Schema 31: a session names its prompt by a hash."""
    path = make_state(tmp_path, [{"id": "b", "source": "cli", "started_at": 1.0}], MESSAGES)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("ALTER TABLE sessions ADD COLUMN system_prompt_hash TEXT")
        database.execute("UPDATE sessions SET system_prompt_hash = 'h1'")
        database.execute("CREATE TABLE system_prompts (hash TEXT PRIMARY KEY, prompt TEXT)")
        database.execute("INSERT INTO system_prompts VALUES ('h1', 'Be brief.'), ('h2', 'Be long.')")
    entries = SOURCE.list_entries(path)
    assert entries is not None
    log = LossLog(path=str(path))
    assert SOURCE.read_entry is not None
    (whole,) = (trace for trace in SOURCE.read_file(path, log, ReadOptions()) if trace.trace_id == "b")
    (alone,) = SOURCE.read_entry(path, entries[0], log, ReadOptions())
    assert [trace.messages[0].text for trace in (whole, alone)] == ["Be brief.", "Be brief."]


def test_a_hash_without_a_prompt_is_no_prompt(tmp_path: Path) -> None:
    path = make_state(tmp_path, [{"id": "b", "source": "cli", "started_at": 1.0}], MESSAGES)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("ALTER TABLE sessions ADD COLUMN system_prompt_hash TEXT DEFAULT 'gone'")
        database.execute("CREATE TABLE system_prompts (hash TEXT PRIMARY KEY, text TEXT)")
    log = LossLog(path=str(path))
    (trace,) = (trace for trace in SOURCE.read_file(path, log, ReadOptions()) if trace.trace_id == "b")
    assert trace.messages[0].role == "user"


def test_a_call_is_found_by_the_id_that_its_result_names(tmp_path: Path) -> None:
    """Providers of the Responses API give a call two ids, of which the result has ``call_id``."""
    called = {**make_call("fc_1"), "call_id": "call_1"}
    messages = [
        {"session_id": "b", "role": "user", "content": "List it"},
        {"session_id": "b", "role": "assistant", "tool_calls": json.dumps([called])},
        {"session_id": "b", "role": "tool", "content": "notes.txt", "tool_call_id": "call_1"},
    ]
    log = LossLog(path="x")
    (trace,) = SOURCE.read_file(make_state(tmp_path, SESSIONS[:1], messages), log, ReadOptions())
    assert (trace.messages[2].tool_calls[0].id, trace.messages[3].text, log.notes) == ("call_1", "notes.txt", {})
