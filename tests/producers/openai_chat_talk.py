"""The simulated conversations that ``openai_chat`` writes, and how OpenAI's API and ShareGPT write them."""

from __future__ import annotations

import base64
import json
from random import Random
from typing import Any

from tests.producers.truth import Call, Json, Run, Said
from tests.producers.words import make_hex, make_sentence, make_text

TOOLS: list[Json] = [
    {
        "name": "get_tide",
        "description": 'The tide at a place. It\'s "live".',
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string"}, "hours": {"type": "integer", "default": 12}},
            "required": ["place"],
        },
    },
    {"name": "note", "description": "Write a note.", "parameters": {"type": "object", "properties": {}}},
]
PIXEL = base64.b64encode(b"\x89PNG not really, but long enough to count").decode()
DATA_URL = f"data:image/png;base64,{PIXEL}"


class Talk:
    """One simulated conversation: what was said, with which tools."""

    def __init__(self, random: Random, plan: str, *, has_ids: bool = True, splits_thought: bool = True) -> None:
        self.random, self.has_ids, self.splits_thought = random, has_ids, splits_thought
        self.said: list[Said] = []
        self.orphans = 0
        for kind in plan.split():
            getattr(self, f"add_{kind}")()

    def add_system(self) -> None:
        self.said.append(Said("system", f"You are a harbour pilot. {make_text(self.random)}"))

    def add_user(self) -> None:
        self.said.append(Said("human", make_text(self.random)))

    def add_answer(self) -> None:
        self.said.append(Said("assistant", f"Well. {make_text(self.random)}"))

    def add_thought(self) -> None:
        self.said.append(Said("assistant", make_text(self.random).strip(), thinking=make_sentence(self.random)))

    def make_call(self, number: int = 0) -> Call:
        name = ("get_tide", "note")[number % 2]
        arguments: Json = {"place": make_text(self.random), "hours": 6, "deep": {"a": [1, None, True], "é": ""}}
        fixed = f"call_{number}"  # the same in every turn
        return Call(name, arguments, fixed if self.has_ids else "*")

    def add_call(self, count: int = 1, text: str = "") -> None:
        calls = [self.make_call(number) for number in range(count)]
        self.said.append(Said("assistant", text, calls=calls))
        self.said += [Said("tool", f"{number}: {make_text(self.random)}", answers=call)
                      for number, call in enumerate(calls)]  # fmt: skip

    def add_two(self) -> None:
        self.add_call(2, make_sentence(self.random))

    def add_three(self) -> None:
        self.add_call(3)

    def add_asked(self) -> None:
        """A call that nobody answers."""
        self.said.append(Said("assistant", "", calls=[self.make_call()]))

    def add_orphan(self) -> None:
        """A result to which no call belongs."""
        self.said.append(Said("orphan", make_sentence(self.random)))
        self.orphans += 1

    def add_picture(self) -> None:
        size = len(base64.b64decode(PIXEL))
        text = "What is this?\n\n[image image/png {} bytes]\n\nAnd why?"
        self.said.append(Said("human", text.format(size)))

    def finish(self, name: str, **fields: Any) -> Run:
        return Run(name, [said for said in self.said if said.role != "orphan"], **fields)


def write_call(call: Call, *, as_object: bool = False) -> Json:
    arguments = call.arguments if as_object else json.dumps(call.arguments, ensure_ascii=False)
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def write_messages(
    talk: Talk, *, as_object: bool = False, developer: bool = False, reverse: bool = False
) -> list[Json]:
    """The messages as OpenAI's API has them."""
    rows: list[Json] = []
    results: list[Json] = []
    for said in [*talk.said, Said("end")]:
        if said.role == "tool" and said.answers:
            results.append({"role": "tool", "tool_call_id": said.answers.id, "content": said.text})
            continue
        rows += reversed(results) if reverse else results
        results = []
        if said.role == "system":
            rows.append({"role": "developer" if developer else "system", "content": said.text})
        elif said.role == "human":
            rows.append({"role": "user", "content": write_content(said.text)})
        elif said.role == "orphan":
            rows.append({"role": "tool", "tool_call_id": f"call_{make_hex(talk.random, 6)}", "content": said.text})
        elif said.role == "assistant":
            row: Json = {"role": "assistant", "content": said.text or None}
            if said.calls:
                row["tool_calls"] = [write_call(call, as_object=as_object) for call in said.calls]
            if said.thinking:
                row["reasoning_content"] = said.thinking
            rows.append(row)
    return rows


def write_content(text: str) -> str | list[Json]:
    """Text, or parts where there is a picture."""
    if "[image " not in text:
        return text
    before, after = text.split("\n\n[image ")[0], text.split("bytes]\n\n")[1]
    picture = {"type": "image_url", "image_url": {"url": DATA_URL}}
    return [{"type": "text", "text": before}, picture, {"type": "text", "text": after}]


def nest(tools: list[Json]) -> list[Json]:
    return [{"type": "function", "function": tool} for tool in tools]


def write_turns(talk: Talk) -> list[Json]:
    """The conversation as LLaMA-Factory's ShareGPT has it."""
    turns: list[Json] = []
    for said in talk.said:
        if said.calls:
            call = said.calls[0]
            value = json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False)
            turns.append({"from": "function_call", "value": value})
        elif said.role == "assistant":
            value = f"<think>\n{said.thinking}\n</think>\n\n{said.text}" if said.thinking else said.text
            turns.append({"from": "gpt", "value": value})
        else:
            name = {"human": "human", "system": "system", "tool": "observation"}[said.role]
            turns.append({"from": name, "value": said.text})
    return turns


def fill(rows: list[Json]) -> list[Json]:
    """Every row with every key, as a table has them."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return [{key: row.get(key) for key in keys} for row in rows]
