"""A producer of OTLP traces: ``python -m tests.producers.otel`` writes the table of what its runs were.

Agents instrumented as OpenTelemetry's semantic conventions for generative AI tell (``semantic-conventions-genai``:
``docs/gen-ai/client-inference.md``, ``gen-ai-agent-spans.md``, ``non-normative/models.py`` and the examples beside it),
exported as a collector's file exporter writes them: one ``ExportTraceServiceRequest`` a line, in protobuf's JSON
(integers as text, ids in hex), each span when it ends, so children come before their parents. Shares no code with the
reader.

What such files do that is easily read wrongly, and is done here: every chat has the whole history; content is JSON text
or structured values; one conversation spans several OTLP traces; spans of one trace lie in several lines, among those
of others and of HTTP clients; a failed request is tried again with the same history; a root span is missing because
the process died; an ``invoke_agent`` span repeats the tokens of the chats below it; a line is exported twice; a
provider's own tool is called and answered within one turn; a compacted history begins anew.

Choice: a trace is named by ``gen_ai.conversation.id``, else by the OTLP trace id, and lasts from its first chat or tool
to its last; a sub-agent is a trace of its own; the model is the one that answered; ``gen_ai.response.finish_reasons``
comes before the deprecated field of a message; what is no string in a result is its JSON.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.producers.otel_agent import Agent, Clock, Style
from tests.producers.truth import Call, Json, Produced, Said, write_table
from tests.producers.words import make_hex, make_text

VALUES, INSIDE, NAMELESS = (
    Style(as_text=False, has_old_stops=False),
    Style(system_apart=False),
    Style(has_conversation=False),
)
BARE = Style(has_tool_spans=False, arguments_as_text=True)
ROOTLESS = Style(has_agent_spans=False)
PICTURE = b"\x89PNG or so"


def tell_plainly(agent: Agent) -> None:
    agent.begin(make_text(agent.random))
    agent.call(text="Let me look.")
    agent.answer()
    agent.end()


def tell_in_parallel(agent: Agent) -> None:
    agent.begin(make_text(agent.random))
    agent.call(3)
    agent.call(2, fails=True)
    agent.answer()
    agent.end()


def tell_after_retries(agent: Agent) -> None:
    agent.begin(make_text(agent.random))
    agent.chat(Said("assistant"), [], fails=True)
    agent.call()
    agent.chat(Said("assistant"), [], fails=True)
    agent.chat(Said("assistant"), [], fails=True)
    agent.answer()
    agent.end()


def tell_in_turns(agent: Agent) -> None:
    """A conversation of three invocations, each an OTLP trace of its own."""
    for number in range(3):
        agent.trace = make_hex(agent.random, 32) if number else agent.trace
        agent.begin(make_text(agent.random))
        if number == 1:
            agent.call()
        agent.answer()
        agent.end()


def tell_with_expert(agent: Agent) -> None:
    agent.begin(make_text(agent.random))
    agent.delegate()
    agent.call()
    agent.delegate()
    agent.answer()
    agent.end()


def tell_without_end(agent: Agent) -> None:
    """The process dies: the agent's own span never ends."""
    agent.begin(make_text(agent.random))
    agent.call()
    agent.call(unanswered=True)


def tell_picture(agent: Agent) -> None:
    agent.begin(make_text(agent.random))
    agent.history[-1]["parts"] += [
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": base64.b64encode(PICTURE).decode()},
        {"type": "uri", "modality": "image", "mime_type": "image/jpeg", "uri": "https://example.org/tide.jpg"},
    ]
    agent.said[-1].text += f"\n\n[image image/png {len(PICTURE)} bytes]\n\n[image image/jpeg 0 bytes]"
    agent.answer()
    agent.end()


def tell_newest(agent: Agent) -> None:
    """A provider's own tool, a result that is an object, and a history that was compacted."""
    agent.begin(make_text(agent.random))
    call = Call("code_interpreter", {"type": "code_interpreter", "code": "print('é', \"x\")"}, "ci_1")
    outcome = {"type": "code_interpreter", "outputs": [{"type": "logs", "logs": "é x"}]}
    said = make_text(agent.random)
    parts: list[Json] = [
        {"type": "server_tool_call", "id": "ci_1", "name": call.name, "server_tool_call": call.arguments},
        {"type": "server_tool_call_response", "id": "ci_1", "server_tool_call_response": outcome},
        {"type": "text", "content": said},
    ]
    agent.chat(Said("assistant", said, calls=[call]), parts)
    agent.said.append(Said("tool", json.dumps(outcome, ensure_ascii=False), answers=call))
    agent.ask(make_text(agent.random))
    agent.call(result={"height_m": 3.5, "note": "naïve", "next": None})
    agent.answer()
    summary = f"So far: {make_text(agent.random)}"
    asked = make_text(agent.random)
    agent.history = [{"role": "user", "parts": [{"type": "compaction", "content": summary}]}]
    agent.said.append(Said("compaction", summary))
    agent.said[-1].kept = [agent.said[0], agent.said[-1]]
    agent.ask(asked)
    agent.answer()
    agent.end()


def tell_silently(agent: Agent) -> None:
    """Content is not captured, as is the default."""
    agent.style = Style(has_content=False)
    tell_plainly(agent)


#: A file: its name, the conversations in it, and how each is written.
FILES: tuple[tuple[str, tuple[tuple[Callable[[Agent], None], Style], ...]], ...] = (
    (
        "plain.jsonl",
        ((tell_plainly, Style()), (tell_plainly, VALUES), (tell_plainly, INSIDE), (tell_plainly, NAMELESS)),
    ),
    ("calls.jsonl", ((tell_in_parallel, Style()), (tell_in_parallel, VALUES), (tell_in_parallel, BARE))),
    ("retries.jsonl", ((tell_after_retries, Style()), (tell_after_retries, INSIDE), (tell_after_retries, ROOTLESS))),
    ("turns.jsonl", ((tell_in_turns, Style()), (tell_in_turns, VALUES), (tell_in_turns, ROOTLESS))),
    ("experts.jsonl", ((tell_with_expert, Style()),)),
    ("experts_nameless.jsonl", ((tell_with_expert, NAMELESS),)),
    ("died.jsonl", ((tell_without_end, Style()), (tell_without_end, NAMELESS))),
    ("pictures.json", ((tell_picture, Style()), (tell_picture, VALUES))),
    ("bare.jsonl", ((tell_plainly, BARE), (tell_plainly, ROOTLESS), (tell_in_turns, INSIDE))),
    ("newest.jsonl", ((tell_newest, Style()), (tell_newest, VALUES))),
    ("silent.jsonl", ((tell_silently, Style()),)),
    ("doubled.jsonl", ((tell_plainly, Style()), (tell_with_expert, VALUES))),
    ("cut.jsonl", ((tell_plainly, Style()),)),
)


def make_request(spans: list[Json]) -> Json:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "harbour"}}]}
    scope = {"name": "opentelemetry.instrumentation.openai_v2", "version": "2.2b0"}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": spans}]}]}


def make_http_span(random: Random, near: Json) -> Json:
    """What an HTTP client's instrumentation exports beside the agent's spans."""
    same = {key: near[key] for key in ("traceId", "parentSpanId", "startTimeUnixNano", "endTimeUnixNano")}
    method = {"key": "http.request.method", "value": {"stringValue": "POST"}}
    return {**same, "spanId": make_hex(random, 16), "name": "POST", "kind": 3, "attributes": [method], "status": {}}


def write_file(path: Path, spans: list[Json], random: Random) -> int:
    """The spans in the order in which they ended, a few a line; gives how many were written twice."""
    spans = sorted(spans, key=lambda span: int(span["endTimeUnixNano"]))
    if path.name == "plain.jsonl":
        spans.insert(3, make_http_span(random, spans[2]))
    if path.suffix == ".json":
        path.write_text(json.dumps(make_request(spans), indent=1), encoding="utf-8")
        return 0
    lines: list[str] = []
    sizes: list[int] = []
    while spans:
        size = random.randint(1, 4)
        lines.append(json.dumps(make_request(spans[:size]), ensure_ascii=False) + "\n")
        sizes.append(min(size, len(spans)))
        spans = spans[size:]
    if path.name == "doubled.jsonl":
        lines[2:2] = lines[:2]
    if path.name == "cut.jsonl":
        last = json.dumps(make_request([json.loads(lines[-1])["resourceSpans"][0]["scopeSpans"][0]["spans"][-1]]))
        lines.append(last[:200])
    path.write_text("".join(lines), encoding="utf-8", newline="\n")
    return sum(sizes[:2]) if path.name == "doubled.jsonl" else 0


def produce(folder: Path) -> list[Produced]:
    """Write the exports into ``folder`` and tell what they are."""
    random = Random(20_260_214)
    made: list[Produced] = []
    for number, (name, talks) in enumerate(FILES):
        produced = Produced(name)
        spans: list[Json] = []
        for place, (tell, style) in enumerate(talks):
            # conversations of one file run at the same time
            agent = Agent(random, Clock(random, 1_771_000_000_000_000_000 + number * 10**13 + place * 10**8), style)
            tell(agent)
            agent.close()
            spans += agent.spans
            for index, sub in enumerate(agent.subs):
                sub.run.trace_id = f"*{len(produced.runs)}.{index}"
            produced.runs += [agent.run, *(sub.run for sub in agent.subs)]
        if name == "silent.jsonl":  # two chats and the result of a tool that say nothing
            produced.runs = []
            produced.lost = {"no_messages": 1, "malformed_record": 2, "unpaired_result": 1}
        if doubled := write_file(folder / name, spans, random):
            produced.lost["duplicate_row"] = doubled
        calls = sum(len(said.calls) for run in produced.runs for said in run.said)
        results = sum(1 for run in produced.runs for said in run.said if said.answers)
        if calls > results:
            produced.noted["unpaired_call"] = calls - results
        made.append(produced)
    made[-1].lose("cut_line")
    made[-1].runs[-1].is_partial = True
    return made


def main() -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        write_table(produce(Path(folder)), Path(__file__).with_suffix(".tsv"))


if __name__ == "__main__":
    main()
