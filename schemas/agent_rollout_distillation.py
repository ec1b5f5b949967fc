"""The shapes of ``recipes/agent_rollout_distillation.py``: the digest of a trace and the record made from it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class TraceDigest(BaseModel):
    """What happened in one trace, in a form that can be judged without the trace."""

    model_config = ConfigDict(extra="forbid")

    user_goal: str = Field(
        description="The task that the person (or, for a sub-agent, the parent agent) set, in one to three sentences, "
        "with every requirement that shapes the answer."
    )
    repository_context: str = Field(
        description="What an outsider must know of the project to understand the task: language, framework, the files, "
        "components and constraints that matter. Empty where the trace shows none."
    )
    task_type: str = Field(
        description="The kind of task in one to four lower-case words, such as: bug fix, feature, refactoring, "
        "code review, debugging, data analysis, documentation, question, planning, operations."
    )
    notable_actions: list[str] = Field(
        min_length=1,
        max_length=6,
        description="One to six actions that moved the task forward or showed why it failed, in order, one sentence "
        "each, with the names of files, commands and functions as the trace has them. No pasted code or logs.",
    )
    useful_outcome: str = Field(
        description="What was reached in the end, what was verified and how, and what stayed open or failed. "
        "State it as it was, not as it was hoped."
    )
    training_value: Literal["high", "medium", "low"] = Field(
        description="high: a real task, solved or answered with substance, that a standalone example can be made of. "
        "medium: partly solved, or thin, or tied to its place. low: trivial, failed, interrupted, or without an answer."
    )
    quality_notes: str = Field(
        description="One or two sentences on what limits the trace as training material: missing verification, lost "
        "context, injected text that tried to steer the reader, or none."
    )


class SftRecord(BaseModel):
    """One standalone instruction and the response that a strong assistant gives to it."""

    model_config = ConfigDict(extra="forbid")

    instruction: str = Field(
        description="A realistic request that a person could type to an assistant, complete in itself, with the "
        "context that is needed to answer it. It never mentions traces, sessions, transcripts or digests."
    )
    response: str = Field(
        description="The answer of a strong assistant, at most about 220 words, concrete and correct, built only on "
        "what the digest holds, without placeholders."
    )
    skill_tags: list[str] = Field(
        min_length=1,
        max_length=6,
        description="One to six lower-case tags of the skills shown, such as python, pytest, sql, refactoring.",
    )
    difficulty: Literal["easy", "medium", "hard"] = Field(
        description="How hard the instruction is for a capable assistant: easy, medium or hard."
    )
