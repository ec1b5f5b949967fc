"""Rows → ``sft.jsonl``: ``{"messages": [{"role": "user", …}, {"role": "assistant", …}]}``, one example a line.

Read as it is by TRL (conversational language modelling), Together and OpenAI fine-tuning.

Input columns: the prompt and the response column of the recipe. Output: one line a kept row, in row order.
"""

from __future__ import annotations

from typing import Any


def build_example(prompt: str, response: str) -> dict[str, Any]:
    """One training example."""
    return {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]}
