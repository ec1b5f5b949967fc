"""A producer of MiroFlow attempt logs: ``python -m tests.producers.miroflow`` writes the table of what its runs were.

Simulates the evaluation of MiroMindAI/MiroThinker from its public source: ``core/orchestrator.py`` (the main agent's
loop, sub-agents, the final summary), ``llm/providers`` (how a history grows: plain strings with OpenAI's client, blocks
with Anthropic's), ``utils/prompt_utils.py`` (prompts; a schema is the ``repr`` of a dict), ``logging/task_logger.py``
(the file, with times in UTC+8) and ``benchmarks/common_benchmark.py`` (attempts, retries, the results file). Shares no
code with the reader.

What it does that is easily read wrongly, and is done here:

* the last result is taken out of the history before the summary is asked for, or stands in one message with it (older
  clients);
* the results of several calls of one turn are one text;
* arguments that are no JSON are repaired by the agent, which logs what the model wrote;
* an attempt has one log a format retry, and the results file judges the last of them alone; a judge that failed says
  ``ERROR`` beside ``is_correct: false``.

Choice: a trace is named after its file, a sub-agent's ``<file>:<session>``; a tool ``<server>-<tool>``, as the agent
names it to native tool calling; a text answers the first call of its turn; a sub-agent has no verdict of its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from tests.producers.miroflow_attempt import Attempt, Plan
from tests.producers.truth import Json, Produced, write_table

PLANS = (
    Plan("gaia-1", "search python answer", verdict="CORRECT"),
    Plan("gaia-2", "sub sub answer", verdict="INCORRECT"),
    Plan("gaia-2", "fail search sub answer", attempt=2, verdict="CORRECT"),
    Plan("gaia-3", "search two silent answer", client="anthropic", verdict="NOT_ATTEMPTED"),
    Plan("hle_7", "search boxless", verdict=""),
    Plan("hle_7", "search answer", retry=1, verdict="CORRECT"),
    Plan("hle_8", "sub limit", client="anthropic", verdict="CORRECT"),
    Plan("hle_9", "search python limit", verdict="INCORRECT"),
    Plan("old-1", "search old_limit", client="anthropic", verdict="INCORRECT"),
    Plan("old-2", "search search old_limit", verdict="CORRECT"),
    Plan("told-1", "search answer", told="CORRECT"),
    Plan("told-2", "search answer", told="INCORRECT"),
    Plan("told-2", "python answer", attempt=2, told="CORRECT"),
    Plan("told-3", "search answer", told="ERROR"),
    Plan("none-1", "search answer"),
    Plan("none-2", "answer", client="anthropic"),
    Plan("wild-1", "bad_json search answer", verdict="CORRECT"),
    Plan("wild-2", "talk sub answer", client="anthropic", verdict="CORRECT"),
    Plan("killed-1", "search sub killed"),
    Plan("failed-1", "search failed"),
    Plan("early-1", "early"),
    Plan("über_8", "search answer", verdict="CORRECT"),
)


def judge(attempt: Attempt) -> None:
    """What the attempt's own log says, else what the results file says of this very log."""
    word = attempt.plan.verdict or attempt.plan.told
    attempt.run.success = None if word in ("", "ERROR") else word == "CORRECT"


def list_results(attempts: list[Attempt]) -> list[Json]:
    """One task a line, with its attempts; the first of them lends its path to the task."""
    lines: list[Json] = []
    for task in dict.fromkeys(attempt.plan.task for attempt in attempts):
        mine = [attempt for attempt in attempts if attempt.plan.task == task and attempt.answer]
        last = {attempt.plan.attempt: attempt for attempt in mine}  # of the retries, the last one
        told = [
            {
                "attempt_number": number, "model_boxed_answer": attempt.answer, "status": "success",
                "log_file_path": f"logs/{attempt.file}", "final_judge_result": word or None,
                "judge_type": "gaia" if word else None, "is_correct": word == "CORRECT",
            }
            for number, attempt in last.items()
            for word in (attempt.plan.verdict or attempt.plan.told,)
        ]  # fmt: skip
        if task.startswith(("none", "killed", "failed", "early")):
            continue
        solved = any(item["is_correct"] for item in told)
        head = {"task_id": task, "task_question": mine[0].question, "ground_truth": mine[0].truth, "file_path": None}
        head |= {"status": "success", "final_judge_result": "PASS_AT_K_SUCCESS" if solved else "PASS_AT_K_FAILED"}
        head |= {"judge_type": "pass_at_k", "log_file_path": told[0]["log_file_path"], "attempts": told}
        lines.append({**head, "pass_at_k_success": solved, "k_value": 2})
    return lines


def produce(folder: Path) -> list[Produced]:
    """Write the logs of one evaluation into ``folder`` and tell what they are."""
    random = Random(20_260_111)
    attempts: list[Attempt] = []
    made: list[Produced] = []
    for number, plan in enumerate(PLANS):
        attempt = Attempt(random, number, plan)
        for kind in plan.steps.split():
            attempt.act(kind)
        judge(attempt)
        attempts.append(attempt)
        text = json.dumps(attempt.log, ensure_ascii=False, indent=2)
        (folder / attempt.file).write_text(text, encoding="utf-8")
        produced = Produced(attempt.file, [attempt.run, *attempt.subs])
        if plan.steps == "early":
            produced.runs = []
            produced.lose("no_messages")
        answered = [said.answers for run in produced.runs for said in run.said if said.answers]
        asked = [call for run in produced.runs for said in run.said for call in said.calls]
        if len(asked) > len(answered):
            produced.noted["unpaired_call"] = len(asked) - len(answered)
        made.append(produced)
    rows = [json.dumps(line, ensure_ascii=False) + "\n" for line in list_results(attempts)]
    (folder / "benchmark_results.jsonl").write_text("".join(rows), encoding="utf-8")
    return made


def main() -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        write_table(produce(Path(folder)), Path(__file__).with_suffix(".tsv"))


if __name__ == "__main__":
    main()
