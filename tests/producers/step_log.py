"""A producer of step logs: ``python -m tests.producers.step_log`` writes the table of what its runs were.

Simulates the repair agent of jbthejedi/llm-repo-agent from its public source: the driver's loop (``agent.py``), its two
adapters (``llm.py``: native tool calls, JSON in the text), its controller, its reflections, its log (``trace.py``) and
the report of its evaluation (``eval/report.py``). Shares no code with the reader.

What the log of the agent does that is easily read wrongly, and is done here:

* a prompt is logged before the driver's pending notes are put into it, so a later prompt has a system message before
  the turn that the one before it ended with;
* the JSON adapter's prompt is logged without the newest result, which only the next prompt or its own row has;
* the notes of a ``driver_note`` row are for the driver's own eyes, those of a reflection are put into the prompt;
* a reflection is a call of the model of its own and no turn of the conversation, and its ``llm_usage`` says so.

Choice: a call of the JSON protocol is a call, with its thought as the words of the turn, and its ``[tool_result]`` a
result; what the native protocol has as an argument stays one; a final action says its summary and thinks its thought;
what no logged prompt shows (the tests after the last result, the note of the last reflection, the id of the last call)
is not in the conversation; tests come before the report.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from tests.producers.step_log_agent import Habit, RepoRun
from tests.producers.step_log_state import StateRun
from tests.producers.truth import Json, Produced, show_time, write_table

JSON, LATE, FULL = Habit("json"), Habit("json", lags=False), Habit(has_ids=False)
PLANS: tuple[tuple[str, Habit, str], ...] = (
    ("one", Habit(), "list read write final"),
    ("one", JSON, "list read write final"),
    ("one", LATE, "list grep missing write final"),
    ("errors", Habit(), "list empty_write reflect missing reflect write final"),
    ("errors", JSON, "list empty_write reflect missing reflect write final"),
    ("errors", LATE, "read empty_write bad_reflect write reflect final"),
    ("errors", FULL, "read read read loop grep reflect list stop"),
    ("many", Habit(test_policy="on_final"), "list read final"),
    ("many", Habit("json", test_policy="never"), "grep read final"),
    ("many", Habit(test_policy="never", counts_tokens=False), "list list list loop list reflect final"),
    ("many", Habit("json", counts_tokens=False), "write write stop"),
    ("mixed", Habit(), "list write read final"),
    ("mixed", JSON, "list write read final"),
    ("mixed", LATE, "trailing read final"),
    ("dead", Habit(), "list prose"),
    ("dead", JSON, "list read prose"),
    ("dead", JSON, "odd_action"),
    ("dead", Habit(), "read unknown_tool"),
    ("dead", JSON, "write unknown_tool"),
    ("dead", JSON, "trailing final"),
    ("type", Habit(key="type"), "list write final"),
    ("event", Habit("json", key="event"), "list write final"),
    ("killed", Habit(), "list write read"),
    ("cut", JSON, "list write read final"),
    ("strange", Habit(), "list final"),
    ("state", Habit("state", test_policy="never"), "list read missing final"),
    ("state", Habit("state"), "list write stop"),
)


def write_log(path: Path, runs: list[RepoRun], random: Random) -> None:
    """One file: the runs one after the other, or, in ``mixed``, at the same time."""
    rows = [row for run in runs for row in run.rows]
    if path.stem == "mixed":
        queues, rows = [list(run.rows) for run in runs], []
        while any(queues):
            rows.append(random.choice([queue for queue in queues if queue]).pop(0))
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    if path.stem == "cut":
        lines[-1] = lines[-1][:70]
    if path.stem == "strange":
        lines[2:4] = [lines[2].replace("\n", " ") + lines[3]]  # a newline that another thread lost
        lines[2:2] = ["not json at all\n", "[1, 2]\n", lines[1].replace('"llm_request"', '"heartbeat"')]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines), encoding="utf-8", newline="\n")


def report(runs: list[RepoRun]) -> Json:
    """The evaluation's own file beside the log: what died is no success there."""
    results: list[Json] = []
    for run in runs:
        success = False if run.error else run.run.success
        results.append({"task_id": run.run.task_id, "run_id": run.run_id, "success": success, "steps": run.step})
        results[-1] |= {"tool_calls": run.calls_made, "error": run.error}
        if run.run.success is None:
            run.run.success = success
    return {"suite_name": "tides", "timestamp": "2026-01-05T10:00:00Z", "metrics": {}, "results": results, "config": {}}


def produce(folder: Path) -> list[Produced]:
    """Write the logs under ``folder`` and tell what they are."""
    random = Random(20_260_105)
    by_file: dict[str, list[RepoRun]] = {}
    for number, (file, habit, plan) in enumerate(PLANS):
        make = StateRun if habit.protocol == "state" else RepoRun
        run = make(random, number, f"task-{number % 7}", habit)
        for kind in plan.split():
            run.act(kind)
        run.close()
        by_file.setdefault(file, []).append(run)
    made: list[Produced] = []
    for file, runs in by_file.items():
        name = f"runs/{'eval/' if file == 'dead' else ''}{file}.jsonl"
        write_log(folder / name, runs, random)
        if file == "dead":
            (folder / "runs/eval/report.json").write_text(json.dumps(report(runs), indent=2) + "\n", encoding="utf-8")
        produced = Produced(name, [run.run for run in runs])
        unanswered = sum(1 for run in runs for said in run.said if said.calls) - sum(
            1 for run in runs for said in run.said if said.answers
        )
        if unanswered:
            produced.noted["unpaired_call"] = unanswered
        made.append(produced)
    tell_faults(by_file, {Path(produced.file).stem: produced for produced in made})
    return made


def tell_faults(by_file: dict[str, list[RepoRun]], made: dict[str, Produced]) -> None:
    """What the damage done to two of the files costs."""
    cut, lost = by_file["cut"][0], made["cut"]
    lost.lose("cut_line")  # run_end, after which nothing was said
    cut.run.is_partial = True
    cut.run.ended = show_time(cut.rows[-2]["ts"])
    for reason in ("bad_json", "not_an_object", "unknown_record_type"):
        made["strange"].lose(reason)
    made["strange"].note("glued_objects")


def main() -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        write_table(produce(Path(folder)), Path(__file__).with_suffix(".tsv"))


if __name__ == "__main__":
    main()
