"""The instrumented agent whose spans ``otel`` exports: its chats, its tools, its sub-agents, its time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.producers.truth import Call, Json, Run, Said, show_time
from tests.producers.words import make_hex, make_sentence, make_text

SYSTEM = "You are a harbour pilot's assistant.\nUse the tools; say \"I don't know\" where you don't."
TOOLS: list[Json] = [
    {
        "name": "get_tide",
        "description": "The tide at a place.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
    {"name": "ask_expert", "description": "Ask another agent.", "parameters": {"type": "object", "properties": {}}},
]


@dataclass
class Style:
    """How the instrumentation writes: content as JSON text or as values, where the system prompt stands, ids."""

    as_text: bool = True
    system_apart: bool = True
    has_conversation: bool = True
    arguments_as_text: bool = False
    has_tool_spans: bool = True
    has_agent_spans: bool = True
    has_content: bool = True
    has_old_stops: bool = True


def to_value(value: Any) -> Json:
    """A value as OTLP's JSON writes it: integers are text."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [to_value(item) for item in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": [{"key": key, "value": to_value(item)} for key, item in value.items()]}}
    return {} if value is None else {"stringValue": value}


class Clock:
    """Nanoseconds since 1970, going on by itself."""

    def __init__(self, random: Random, start: int) -> None:
        self.random, self.now = random, start

    def tick(self) -> int:
        self.now += self.random.randrange(1, 900) * 1_000_000
        return self.now


class Agent:
    """One agent in one conversation: what it exported (``spans``) and what it was (``run``)."""

    def __init__(
        self, random: Random, clock: Clock, style: Style, name: str = "pilot", caller: Agent | None = None
    ) -> None:
        self.random, self.clock, self.style, self.name = random, clock, style, name
        self.caller = caller
        self.conversation = caller.conversation if caller else f"conv_{make_hex(random, 12)}"
        self.trace = caller.trace if caller else make_hex(random, 32)
        self.spans: list[Json] = caller.spans if caller else []
        self.system = SYSTEM if caller is None else f"You are {name}, an expert. {make_sentence(random)}"
        self.model = "gpt-4o-2024-08-06"
        own_name = self.conversation if style.has_conversation else self.trace
        self.run = Run("*" if caller else own_name, model=self.model, tools=TOOLS)
        if caller:
            self.run.parent = self.run.root = caller.run.trace_id
            self.run.agent = "*"
        self.said = self.run.said
        self.said.append(Said("system", self.system))
        self.history: list[Json] = []
        if not style.system_apart:
            self.history.append({"role": "system", "parts": [{"type": "text", "content": self.system}]})
        self.span_id = ""
        self.above = ""
        self.subs: list[Agent] = []
        self.times: list[int] = []

    def export(self, name: str, span_id: str, parent: str, start: int, attributes: Json, kind: int = 1,
               error: str = "") -> None:  # fmt: skip
        """A span goes out when it ends."""
        end = self.clock.tick()
        if not name.startswith("invoke_agent"):
            self.times += [start, end]
        content = ("messages", "instructions", "definitions", "arguments", "result")
        span: Json = {
            "traceId": self.trace, "spanId": span_id, "parentSpanId": parent, "name": name, "kind": kind,
            "startTimeUnixNano": str(start), "endTimeUnixNano": str(end),
            "attributes": [
                {"key": key, "value": self.write(value) if key.endswith(content) else to_value(value)}
                for key, value in attributes.items()
                if value is not None and (self.style.has_content or not key.endswith(content))
            ],
            "status": {"code": 2, "message": error} if error else {},
        }  # fmt: skip
        if error:
            event = {"key": "exception.message", "value": {"stringValue": error}}
            span["events"] = [{"timeUnixNano": str(end), "name": "exception", "attributes": [event]}]
        self.spans.append(span)

    def write(self, value: Any) -> Json:
        if isinstance(value, str) or not self.style.as_text:
            return to_value(value)
        return {"stringValue": json.dumps(value, ensure_ascii=False)}

    def begin(self, text: str, parent: str = "") -> None:
        """The agent is invoked with what somebody asks."""
        self.span_id, self.above, self.start = make_hex(self.random, 16), parent, self.clock.tick()
        if not self.style.has_agent_spans:
            self.span_id = parent
        self.ask(text)

    def ask(self, text: str) -> None:
        self.said.append(Said("human", text))
        self.history.append({"role": "user", "parts": [{"type": "text", "content": text}]})

    def end(self) -> None:
        if self.style.has_agent_spans:
            counted = [said.tokens for said in self.said if said.tokens]
            attributes: Json = {
                "gen_ai.operation.name": "invoke_agent", "gen_ai.provider.name": "openai",
                "gen_ai.agent.name": self.name, "gen_ai.agent.id": f"agent_{self.name}",
                "gen_ai.request.model": "gpt-4o", **self.name_conversation(),
                "gen_ai.usage.input_tokens": sum(tokens[0] for tokens in counted),
                "gen_ai.usage.output_tokens": sum(tokens[1] for tokens in counted),
            }  # fmt: skip
            self.export(f"invoke_agent {self.name}", self.span_id, self.above, self.start, attributes)

    def name_conversation(self) -> Json:
        return {"gen_ai.conversation.id": self.conversation} if self.style.has_conversation else {}

    def chat(self, turn: Said, parts: list[Json], stop: str = "stop", *, fails: bool = False) -> None:
        """One request to the model with the whole history, and what it said."""
        start = self.clock.tick()
        attributes: Json = {
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o",
            **self.name_conversation(), "gen_ai.request.temperature": 0.0, "server.port": 443,
            "gen_ai.system_instructions":
                [{"type": "text", "content": self.system}] if self.style.system_apart else None,
            "gen_ai.input.messages": json.loads(json.dumps(self.history)),
            "gen_ai.tool.definitions": [{"type": "function", **tool} for tool in TOOLS],
        }  # fmt: skip
        if fails:
            attributes["error.type"] = "timeout"
            self.export("chat gpt-4o", make_hex(self.random, 16), self.span_id, start, attributes, 3, "timed out")
            return
        tokens = (self.random.randrange(100, 5000), self.random.randrange(1, 400))
        output: Json = {"role": "assistant", "parts": parts}
        if self.style.has_old_stops:
            output["finish_reason"] = stop.removesuffix("s")
        attributes |= {
            "gen_ai.response.model": self.model, "gen_ai.response.id": f"chatcmpl-{make_hex(self.random, 12)}",
            "gen_ai.response.finish_reasons": [stop], "gen_ai.usage.input_tokens": tokens[0],
            "gen_ai.usage.cache_read.input_tokens": tokens[0] // 2, "gen_ai.usage.output_tokens": tokens[1],
            "gen_ai.output.messages": [output],
        }  # fmt: skip
        self.export("chat gpt-4o", make_hex(self.random, 16), self.span_id, start, attributes, 3)
        self.history.append({"role": "assistant", "parts": parts})
        turn.tokens, turn.stop = tokens, stop
        total = self.run.tokens or (0, 0)
        self.run.tokens = (total[0] + tokens[0], total[1] + tokens[1])
        self.said.append(turn)

    def think(self) -> tuple[str, list[Json]]:
        thought = make_text(self.random) if self.random.random() < 0.5 else ""
        return thought, [{"type": "reasoning", "content": thought}] if thought else []

    def answer(self) -> None:
        thought, parts = self.think()
        text = make_text(self.random)
        self.chat(Said("assistant", text, thinking=thought), [*parts, {"type": "text", "content": text}])

    def call(
        self,
        count: int = 1,
        *,
        fails: bool = False,
        text: str = "",
        unanswered: bool = False,
        result: Json | None = None,
    ) -> None:
        """The model calls tools; their results come back in whatever order they were ready."""
        thought, parts = self.think()
        calls = [Call("get_tide", {"place": make_text(self.random), "é": [1, True]}, f"call_{make_hex(self.random, 8)}")
                 for _ in range(count)]  # fmt: skip
        parts += [{"type": "text", "content": text}] if text else []
        parts += [self.write_call(call) for call in calls]
        self.chat(Said("assistant", text, thinking=thought, calls=calls), parts, "tool_calls")
        if unanswered:
            return
        results = [Said("tool", f"{place}: {make_text(self.random)}", answers=call, failed=fails)
                   for place, call in enumerate(calls)]  # fmt: skip
        if result:
            results[0].text = json.dumps(result, ensure_ascii=False)
        self.said += results
        for said in reversed(results):
            self.run_tool(said, "" if not fails else "no such place", result=result)

    def write_call(self, call: Call) -> Json:
        arguments = json.dumps(call.arguments) if self.style.arguments_as_text else call.arguments
        return {"type": "tool_call", "id": call.id, "name": call.name, "arguments": arguments}

    def run_tool(
        self, said: Said, error: str = "", span_id: str = "", start: int = 0, result: Json | None = None
    ) -> None:
        call = said.answers
        assert call
        response = {"type": "tool_call_response", "id": call.id, "response": result or said.text}
        self.history.append({"role": "tool", "parts": [response]})
        if not self.style.has_tool_spans:
            said.failed = False  # nothing says so
            return
        attributes: Json = {
            "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": call.name, "gen_ai.tool.call.id": call.id,
            "gen_ai.tool.type": "function", "gen_ai.tool.call.arguments": call.arguments,
            "gen_ai.tool.call.result": None if error else result or said.text,
            "error.type": "ValueError" if error else None,
        }  # fmt: skip
        start, span_id = start or self.clock.tick(), span_id or make_hex(self.random, 16)
        self.export(f"execute_tool {call.name}", span_id, self.span_id, start, attributes, 1, error)

    def delegate(self) -> None:
        """A tool that is another agent, with a conversation of its own below the tool's span."""
        question = make_text(self.random)
        call = Call("ask_expert", {"question": question}, f"call_{make_hex(self.random, 8)}")
        self.chat(Said("assistant", calls=[call]), [self.write_call(call)], "tool_calls")
        span_id, start = make_hex(self.random, 16), self.clock.tick()
        sub = Agent(self.random, self.clock, self.style, "expert", self)
        sub.begin(question, span_id)
        sub.call()
        sub.answer()
        sub.end()
        sub.close()
        self.subs.append(sub)
        self.said.append(Said("tool", sub.said[-1].text, answers=call))
        self.run_tool(self.said[-1], "", span_id, start)

    def close(self) -> None:
        self.run.started, self.run.ended = (show_time(time / 1e9) for time in (min(self.times), max(self.times)))
