"""The dataset card: valid front matter, every count, and what a reader must know."""

from __future__ import annotations

from dataclasses import replace

import yaml

from tracemill.report.card import CardFacts, render_card

FACTS = CardFacts(
    title="Distilled agent traces",
    recipe="agent_rollout_distillation",
    rows=10,
    kept=3,
    reading={"files_found": 12, "files_read": 11, "files_rejected": 1, "lost": {"bad_json": 2}, "repeated": 1},
    missing={"not_finished": 2},
    reasons={"judge_failed": 1, "training_value_low": 6},
    scores={"groundedness_score": {"4": 7, "2": 2, "null": 1}},
    statuses={"trace_digest": {"ok": 9, "failed": 1}},
    sources={"codex": 10},
    judge_kinds={"model": 10},
    models={"writer": "some|model at http://localhost", "judge": "another"},
    versions={"tracemill": "0.1.0", "data-designer": "0.9.6"},
    redacted={"email": 4},
    is_complete=True,
)


def test_the_front_matter_is_what_the_hub_reads() -> None:
    front = yaml.safe_load(render_card(FACTS).split("---")[1])
    assert front["configs"][0] == {"config_name": "sft", "default": True, "data_files": "sft.jsonl"}
    assert front["size_categories"] == ["n<1K"]


def test_every_count_is_told() -> None:
    card = render_card(FACTS)
    for line in (
        "| read | session files found | 12 |",
        "| read | lost: `bad_json` | 2 |",
        "| generate | missing: `not_finished` | 2 |",
        "| generate | `trace_digest` failed | 1 |",
        "| recommend | left out: `training_value_low` | 6 |",
        "| 2 | 2 |",
        "| null | 1 |",
        "| email | 4 |",
        "| writer | some\\|model at http://localhost |",
    ):
        assert line in card


def test_heuristic_rows_and_unfinished_runs_are_told() -> None:
    card = render_card(replace(FACTS, judge_kinds={"heuristic": 10}, is_complete=False))
    assert "extractive baseline" in card
    assert "has not finished" in card
    assert "has not finished" not in render_card(FACTS)
