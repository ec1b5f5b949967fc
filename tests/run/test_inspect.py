"""``inspect``: the examples counted, the shape of its JSON, one trace shown, and mistakes told in one line."""

from __future__ import annotations

import io
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.run.harness import ROOT
from tests.run.sessions import make_id, write_sessions
from tracemill.errors import ConfigError, CountError, InputError
from tracemill.ingest import SOURCES, get_source, parallel
from tracemill.ingest.collect import Intake, collect_traces
from tracemill.ingest.inventory import Selection, locate_files, take_inventory
from tracemill.redact import Redactor
from tracemill.run import inspect
from tracemill.run.inspect import build_parser, run_inspect
from tracemill.run.terminal import Terminal
from tracemill.trace import Trace

EXAMPLES = ROOT / "examples"


def run(*arguments: object) -> tuple[str, str]:
    """What the command wrote to stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    assert run_inspect([str(argument) for argument in arguments], Terminal(out, err)) == 0
    return out.getvalue(), err.getvalue()


def survey(name: str, folder: Path, *arguments: object) -> dict[str, Any]:
    out, _ = run("--format", name, "--trace-dir", folder, "--json", *arguments)
    assert out.count("\n") == 1
    return json.loads(out)


@pytest.mark.parametrize("name", [source.name for source in SOURCES])
def test_the_examples_are_counted_as_they_are_read(name: str) -> None:
    source, intake = get_source(name), Intake()
    root, files = locate_files(source, str(EXAMPLES / name))
    inventory = take_inventory(source, root, files, Selection())
    traces = list(collect_traces(source, inventory, Selection(), intake, redactor=Redactor()))
    facts = survey(name, EXAMPLES / name)
    assert facts["traces"]["kept"] == len(traces)
    assert facts["by"]["source"]["names"] == {name: len(traces)}
    assert facts["messages"]["total"] == sum(trace.message_count for trace in traces)
    assert facts["messages"]["by_kind"]["human"] == sum(trace.human_turn_count for trace in traces)
    assert facts["calls"]["calls"] == sum(trace.tool_call_count for trace in traces)
    failed = sum(trace.failed_call_count for trace in traces)
    assert facts["calls"]["failed"] == failed
    assert facts["tokens"]["input"]["total"] == (sum(t.input_tokens or 0 for t in traces) or None)
    assert facts["outcomes"]["success"]["true"] == sum(trace.success is True for trace in traces)
    assert facts["outcomes"]["reward"]["traces"] == sum(trace.reward is not None for trace in traces)
    assert sum(loss["count"] for loss in facts["losses"]) == len(intake.losses)
    assert facts["calls"]["unpaired"] == intake.notes.get("unpaired_call", 0)
    assert {note["reason"]: note["count"] for note in facts["notes"]} == intake.notes
    assert facts["redacted"] == intake.redacted


def test_all_formats_at_once_are_told_apart() -> None:
    facts = survey("auto", EXAMPLES)
    assert facts["by"]["source"]["others"] == 0
    assert len(facts["by"]["source"]["names"]) >= 10
    assert sum(facts["by"]["source"]["names"].values()) == facts["traces"]["kept"]


def test_the_json_has_a_fixed_shape() -> None:
    facts = survey("codex", EXAMPLES / "codex")
    assert list(facts) == [
        "format", "path", "is_redacted", "files", "lines", "traces", "started", "by", "messages", "calls", "outcomes",
        "characters", "tokens", "contexts", "largest", "losses", "notes", "redacted",
    ]  # fmt: skip
    assert facts["files"] == {"found": 8, "read": 8, "rejected": 0, "not_selected": 0, "without_traces": 0}
    assert facts["traces"] == {
        "found": 8, "kept": 8, "repeated": 0, "no_messages": 0, "not_selected": 0, "partial": 1, "labelled": 0,
    }  # fmt: skip
    assert [loss["reason"] for loss in facts["losses"]] == ["cut_line"]
    assert facts["is_redacted"] is True


def test_copies_rejects_and_selection_add_up(tmp_path: Path) -> None:
    folder = write_sessions(tmp_path / "traces", 4)
    first = sorted(folder.rglob("*.jsonl"))[0]
    first.with_name(first.name.replace("rollout-", "rollout-0-")).write_bytes(first.read_bytes())
    (folder / "rollout-none.jsonl").write_text("")
    facts = survey("codex", folder)
    assert (facts["files"]["found"], facts["files"]["read"], facts["files"]["rejected"]) == (6, 5, 1)
    assert (facts["traces"]["found"], facts["traces"]["kept"], facts["traces"]["repeated"]) == (5, 4, 1)
    assert {loss["reason"]: loss["count"] for loss in facts["losses"]} == {"empty_file": 1, "repeated_session": 1}
    chosen = survey("codex", folder, "--select", make_id(2))
    assert (chosen["traces"]["kept"], chosen["traces"]["not_selected"]) == (1, 3)
    assert [row["trace_id"] for row in chosen["largest"]] == [make_id(2)]


def test_several_processes_find_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_sessions(tmp_path / "traces", 6)
    monkeypatch.setattr(inspect, "LEAST_BYTES", 0)
    used: list[int] = []
    monkeypatch.setattr(
        inspect,
        "pack_in_parallel",
        lambda *given, workers: used.append(workers) or parallel.pack_in_parallel(*given, workers=workers),
    )
    assert survey("codex", folder, "--workers", 2) == survey("codex", folder, "--workers", 1)
    assert used == [2]
    survey("codex", folder)
    assert used == ([2] if parallel.count_cores() == 1 else [2, parallel.count_cores()]), "all cores by default"


def test_a_trace_lost_on_the_way_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_sessions(tmp_path / "traces", 3)
    stream = inspect._stream_traces  # pyright: ignore[reportPrivateUsage]

    def lose_one(*given: Any) -> Generator[Trace]:
        yield from list(stream(*given))[1:]

    monkeypatch.setattr(inspect, "_stream_traces", lose_one)
    with pytest.raises(CountError, match="3 traces kept but accounts for 2"):
        survey("codex", folder)


def test_losses_are_not_kept_while_traces_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_sessions(tmp_path / "traces", 5)
    for path in folder.rglob("*.jsonl"):
        path.write_text(path.read_text() + "not json\n" * 10)
    held: list[int] = []
    add_losses = inspect.Survey.add_losses
    monkeypatch.setattr(
        inspect.Survey, "add_losses", lambda self, losses: (held.append(len(losses)), add_losses(self, losses))[1]
    )
    facts = survey("codex", folder)
    assert facts["losses"][0]["count"] == 50
    assert max(held) == 10


def test_the_tables_and_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    out, err = run("--format", "codex", "--trace-dir", EXAMPLES / "codex", "--html", page, "--limit", 3)
    assert "8 = 8 kept" in out
    assert err == f"{page}: the page\n"
    text = page.read_text(encoding="utf-8")
    assert text.count('<script type="application/json" class="session">') == 3
    assert "3 of 8 traces: the 3 largest" in text
    assert "5 are left out" in text


def test_the_page_takes_the_place_of_an_earlier_page_alone(tmp_path: Path) -> None:
    page, other = tmp_path / "pages" / "page.html", tmp_path / "notes.html"
    page.parent.mkdir()
    for _ in range(2):
        run("--format", "codex", "--trace-dir", EXAMPLES / "codex", "--json", "--html", page)
    assert [path.name for path in page.parent.iterdir()] == ["page.html"]
    other.write_text("<!doctype html>\n<title>Notes of tracemill</title>")
    with pytest.raises(ConfigError, match=r"notes\.html: is there already and is no page of inspect; name another"):
        run("--format", "codex", "--trace-dir", EXAMPLES / "codex", "--html", other)
    assert other.read_text().endswith("</title>")


@pytest.mark.parametrize("way", ["folder", "file", "link", "hard_link"])
def test_the_page_takes_the_place_of_no_trace(tmp_path: Path, way: str) -> None:
    folder = write_sessions(tmp_path / "traces", 1)
    path = next(folder.rglob("*.jsonl"))
    before = path.read_bytes()
    page = path if way in ("folder", "file") else tmp_path / "page.html"
    if way == "link":
        page.symlink_to(path)
    if way == "hard_link":
        page.hardlink_to(path)
    with pytest.raises(ConfigError, match="is one of the files that are read; name another file"):
        run("--format", "codex", "--trace-dir", path if way == "file" else folder, "--json", "--html", page)
    assert path.read_bytes() == before


def test_the_page_is_the_same_every_time(tmp_path: Path) -> None:
    texts: list[bytes] = []
    for name in ("a.html", "b.html"):
        run("--format", "codex", "--trace-dir", EXAMPLES / "codex", "--json", "--html", tmp_path / name)
        texts.append((tmp_path / name).read_bytes())
    assert texts[0] == texts[1]


@pytest.mark.parametrize(("wanted", "told"), [(make_id(1), ""), ("another", "none of its rows names a trace")])
def test_outcomes_are_counted_and_told_where_they_match_nothing(tmp_path: Path, wanted: str, told: str) -> None:
    folder = write_sessions(tmp_path / "traces", 3)
    outcomes = tmp_path / "outcomes.csv"
    outcomes.write_text(f"trace_id,success\n{wanted},false\n")
    out, err = run("--format", "codex", "--trace-dir", folder, "--outcomes", outcomes)
    assert told in err if told else err == ""
    assert f"{int(not told)} of 3 traces found" in out
    facts = survey("codex", folder, "--outcomes", outcomes)
    assert facts["traces"]["labelled"] == facts["outcomes"]["success"]["false"] == int(not told)


def test_the_page_can_hold_all_sessions(tmp_path: Path) -> None:
    folder = write_sessions(tmp_path / "traces", 230)
    texts: list[str] = []
    for limit in ((), ("--limit", "all")):
        run("--format", "codex", "--trace-dir", folder, "--json", "--html", tmp_path / "page.html", *limit)
        texts.append((tmp_path / "page.html").read_text())
    assert [text.count('class="session"') for text in texts] == [200, 230]
    assert "30 are left out" in texts[0]
    assert "All 230 traces" in texts[1]


def test_the_help_says_what_is_taken() -> None:
    text = " ".join(build_parser().format_help().split())
    for said in (
        "one for each agent memory of a run",
        "--db is another name of this flag",
        "(default: all cores)",
        "--limit N|all",
    ):
        assert said in text


def test_secrets_are_replaced_unless_that_is_switched_off(tmp_path: Path) -> None:
    folder = write_sessions(tmp_path / "traces", 1)
    path = next(folder.rglob("*.jsonl"))
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    row = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": f"My token is {secret}"}]}
    line = json.dumps({"type": "response_item", "timestamp": "2026-03-01T10:00:00Z", "payload": row})
    path.write_text(path.read_text() + line + "\n")
    arguments = ("--format", "codex", "--trace-dir", folder)
    page = tmp_path / "page.html"
    for more in (("--json", "--html", page), ("--show", make_id(0))):
        assert secret not in run(*arguments, *more)[0]
    assert secret not in page.read_text()
    assert sum(survey("codex", folder)["redacted"].values()) >= 1
    assert secret in run(*arguments, "--show", make_id(0), "--no-redact", "--show-chars", 100_000)[0].replace("\n", "")
    assert survey("codex", folder, "--no-redact")["is_redacted"] is False


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ((), ConfigError, "--format"),
        (("--format", "nothing"), ConfigError, "invalid choice: 'nothing'"),
        (("--format", "codex", "--since", "May"), ConfigError, "'May' is not a date"),
        (("--format", "codex", "--workers", "0"), ConfigError, "0 is below 1"),
        (("--format", "codex", "--limit", "0"), ConfigError, "'0' is no whole number from 1 up, nor all"),
        (("--format", "codex", "--preview"), ConfigError, "unrecognized arguments: --preview"),
        (("--format", "codex", "--show", "a", "--html", "b"), ConfigError, "leave one of them out"),
        (("--format", "codex", "--html", "/nowhere/at/all.html"), ConfigError, "there is no folder /nowhere/at"),
        (("--format", "codex", "--outcomes", "/nowhere.csv"), ConfigError, "no such file"),
        (("--format", "codex", "--trace-dir", "/nowhere"), InputError, "no such folder"),
        (("--format", "codex", "--trace-dir", str(EXAMPLES / "codex"), "--select", "zzz"), InputError, "with id zzz"),
    ],
    ids=["none", "format", "since", "workers", "limit", "foreign", "both", "folder", "outcomes", "input", "select"],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        run(*arguments)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
