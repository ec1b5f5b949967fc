"""A model's answer is found where models put it, fits its schema or says why not, and is never completed."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from schemas.agent_rollout_distillation import SftRecord
from tracemill.plugin.answers import AnswerError, build_model_reader, build_schema_reader, find_object

RECORD = '{"instruction": "Sort it", "response": "Use sorted().", "skill_tags": ["python"], "difficulty": "easy"}'
EXPECTED = {"instruction": "Sort it", "response": "Use sorted().", "skill_tags": ["python"], "difficulty": "easy"}
read_record = build_schema_reader(SftRecord.model_json_schema())


@pytest.mark.parametrize(
    "answer",
    [
        RECORD,
        f"```json\n{RECORD}\n```",
        f"```\n{RECORD}\n```",
        f"```JSON\n{RECORD}\n```\nI hope this helps.",
        f"Here it is:\n\n{RECORD}\n\nDone.",
        f"```json\n{{}}\n```\nBetter:\n```json\n{RECORD}\n```",
        RECORD.replace("{", '{"thoughts": "mine", ', 1),
    ],
    ids=["bare", "fence", "no label", "capitals", "prose", "second thoughts", "extra key"],
)
def test_a_usable_answer_is_read(answer: str) -> None:
    assert read_record(answer) == EXPECTED


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("", "empty"),
        ("I cannot help with that.", "no complete JSON object"),
        (RECORD[:-12], "no complete JSON object"),
        (f"```json\n{RECORD[:-12]}\n```", "no complete JSON object"),
        (f"[{RECORD}, {RECORD}]", "no complete JSON object"),
        (RECORD.replace('"easy"', '"trivial"'), "difficulty: 'trivial' is not one of ['easy', 'medium', 'hard']"),
        (RECORD.replace(', "difficulty": "easy"', ""), "'difficulty' is a required property"),
        (RECORD.replace('["python"]', "[]"), "skill_tags"),
        ('{"a":' * 5000, "no complete JSON object"),
    ],
    ids=["empty", "refusal", "cut", "cut in a fence", "list", "other word", "missing key", "empty list", "deep"],
)
def test_an_unusable_answer_says_why(answer: str, problem: str) -> None:
    with pytest.raises(AnswerError) as caught:
        read_record(answer)
    assert problem in str(caught.value)


def test_a_model_reader_gives_the_json_form() -> None:
    class Verdict(BaseModel):
        score: int

    read = build_model_reader(Verdict)
    assert read('{"score": "3"}') == {"score": 3}
    with pytest.raises(AnswerError, match="score"):
        read('{"score": "three"}')


def test_the_last_fence_counts() -> None:
    assert find_object('```json\n{"a": 1}\n```\n```json\n{"a": 2}\n```') == {"a": 2}
