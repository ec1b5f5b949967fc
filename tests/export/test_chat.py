"""``sft.jsonl``: golden bytes, and the file as its readers take it."""

from __future__ import annotations

import json

from tracemill.export.chat import build_example

GOLDEN = (
    '{"messages": [{"role": "user", "content": "Warum \\"3\\" statt 4?"}, '
    '{"role": "assistant", "content": "Zähl ab 0.\\n\\n`len(x)`"}]}'
)


def test_an_example_is_two_chat_messages() -> None:
    example = build_example('Warum "3" statt 4?', "Zähl ab 0.\n\n`len(x)`")
    assert json.dumps(example, ensure_ascii=False) == GOLDEN
