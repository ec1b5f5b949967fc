"""What the test model server answers: behaviours, faults and answers built from the prompt by its schema."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

Schema = dict[str, Any]
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron")
NUMBERS = ("zero", "one", "two", "three", "four")
GOAL = re.compile(
    r"^(?:== goal[^\n]*==\n|[ \t#>*-]*(?:user[ _])?goal[*]*[ \t]*(?::|\n)|[ \t]*<goal[^>\n]*>)[\s*]*(\S.*)$",
    re.M | re.I,
)
OUTCOME = re.compile(r"^(?:useful[_ ])?outcome:[ \t]*(\S.*)$", re.M | re.I)
ACTIONS = re.compile(r"^(?:notable[_ ])?actions:\s*\n((?:\s*- .*\n?)+)", re.M | re.I)
REFUSAL = "I'm sorry, but I can't help with that."
QUOTA = "You exceeded your current quota, please check your plan and billing details."
CONTEXT = "This model's maximum context length is 8192 tokens. However, your messages resulted in 31415 tokens."
ERRORS: dict[str, tuple[int, str, str, str | None]] = {  # kind: (status, message, type, code), as OpenAI words them
    "429": (429, "Rate limit reached for requests", "requests", "rate_limit_exceeded"),
    "quota": (429, QUOTA, "insufficient_quota", "insufficient_quota"),
    "401": (401, "Incorrect API key provided: wrong.", "invalid_request_error", "invalid_api_key"),
    "500": (500, "The server had an error while processing your request.", "server_error", None),
    "503": (503, "The engine is currently overloaded, please try again later.", "server_error", None),
    "context_length": (400, CONTEXT, "invalid_request_error", "context_length_exceeded"),
}
SCORE_FAULTS = ("missing_score", "null_score", "score_text", "score_word")
CONTENT_FAULTS = ("prose", "truncated", "refusal", "refusal_prose", "empty")
FAULT_KINDS = (*ERRORS, *SCORE_FAULTS, *CONTENT_FAULTS, "hang", "slow", "cut", "html")


@dataclass(slots=True, eq=False)
class Recorded:
    """One chat request; `status` is None until it is answered, `attempt` counts calls of the same prompt from 1."""

    kind: str  # digest | record | judge | other (any other schema) | chat (no schema)
    prompt_hash: str
    attempt: int
    arrived_s: float  # since the server's first chat request
    prompt: str  # all user text
    prompt_chars: int  # of all messages
    body: dict[str, Any]
    headers: dict[str, str]
    status: int | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """Which requests: all conditions hold. `fraction`: of the prompts, by hash; of the calls with `per_attempt`."""

    column: str | None = None
    contains: str | None = None
    fraction: float = 1.0
    per_attempt: bool = False

    def __call__(self, record: Recorded) -> bool:
        key = f"{record.prompt_hash}{record.attempt if self.per_attempt else ''}"
        wanted = self.column in (None, record.kind) and (self.contains or "") in record.prompt
        return wanted and crc32(key.encode()) < self.fraction * 2**32


@dataclass(frozen=True, eq=False)
class Fault:
    """A fault (one of FAULT_KINDS) of requests that match: not of the first `skip`, then every k-th, `times` at most.

    Score faults hit judge calls alone unless `dimension` names a field.
    """

    kind: str
    when: Callable[[Recorded], bool] = field(default_factory=Match)
    times: int | None = None
    every: int = 1
    skip: int = 0
    first_per_prompt: bool = False
    between: tuple[float, float] = (0, float("inf"))  # seconds since the server's first chat request
    retry_after_s: float | None = None
    ms: float = 1000.0  # of `slow`
    dimension: str | None = None  # of score faults; default: the first score

    def __post_init__(self) -> None:
        if self.kind not in FAULT_KINDS:
            raise ValueError(f"no fault kind {self.kind!r}; there are {', '.join(FAULT_KINDS)}")


def find_goal(prompt: str) -> str:
    """The text after the first `== goal ==`, `## Goal`, `goal:`, `user_goal:` or `<goal>` line."""
    match = GOAL.search(prompt)
    return match[1].removesuffix("</goal>").strip() if match else "no goal line in the prompt"


def find_digest(prompt: str) -> dict[str, Any]:
    """A prompt's digest: `Goal:`, `Outcome:`, `Actions:` lines, else a JSON object or a Python dict on one line."""
    outcome, actions = OUTCOME.search(prompt), ACTIONS.search(prompt)
    found: dict[str, Any] = {"user_goal": find_goal(prompt), "useful_outcome": outcome[1] if outcome else ""}
    found["notable_actions"] = [line.strip()[2:] for line in actions[1].splitlines() if line.strip()] if actions else []
    quoted = re.search(r"[\"']user_goal[\"']", prompt)
    if quoted and not outcome and (start := prompt.rfind("{", 0, quoted.start())) >= 0:
        with suppress(ValueError):
            return json.JSONDecoder().raw_decode(prompt, start)[0]
        line = prompt[start:].split("\n", 1)[0]
        with suppress(ValueError, SyntaxError):
            return ast.literal_eval(line[: line.rfind("}") + 1])
    return found


@dataclass(frozen=True)
class Behaviour:
    """What the server does. `rule` goes before `faults`; `fields` sets answer fields by name: a value or a callable."""

    latency_ms: float = 0.0
    faults: tuple[Fault, ...] = ()
    rule: Callable[[Recorded], Fault | None] = lambda record: None
    answer: Callable[[Recorded], Any] = lambda record: None  # a str or dict to send; None: the usual answer
    goal: Callable[[str], str] = find_goal
    digest: Callable[[str], dict[str, Any]] = find_digest
    scores: Any = 4  # or a callable (record, dimension) -> score
    fields: Mapping[str, Any] = field(default_factory=lambda: {"training_value": "high"})
    bare_json: bool = False
    keep_bodies: bool = True


def read_text(content: Any) -> str:
    """The text of a message: plain, or a list of text blocks."""
    blocks = content if isinstance(content, list) else [{"text": content or ""}]
    return "\n".join(block.get("text", "") for block in blocks)


def find_schema(body: dict[str, Any], prompt: str) -> Schema | None:
    """The schema of `response_format`, else of the prompt's last `<response_schema>` block."""
    if (wanted := body.get("response_format") or {}).get("type") == "json_schema":
        return wanted["json_schema"]["schema"]
    head, found, _ = prompt.rpartition("</response_schema>")
    return json.loads(head.rpartition("<response_schema>")[2]) if found else None


def resolve(schema: Schema, root: Schema) -> Schema:
    """The schema with `$ref`, `allOf`, `anyOf` and `oneOf` replaced by their first branch that is not null."""
    while key := next((k for k in ("$ref", "allOf", "anyOf", "oneOf") if k in schema), None):
        if key == "$ref":
            branch = root["$defs"][schema[key].rpartition("/")[2]]
        else:
            branch = next(b for b in schema[key] if b.get("type") != "null")
        schema = {**branch, **{k: v for k, v in schema.items() if k != key}}
    return schema


def fill(schema: Schema, root: Schema, seed: str, name: str = "text", depth: int = 0) -> Any:
    """A value that fits the schema, always the same for a seed; plain words for strings."""
    schema = resolve(schema, root)
    number = crc32(f"{seed}/{name}".encode())
    if options := schema.get("enum", [schema["const"]] if "const" in schema else []):
        return options[number % len(options)]
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if kind == "object":
        parts = schema.get("properties", {}) if depth < 6 else {}
        return {key: fill(part, root, seed, f"{key} of {name}", depth + 1) for key, part in parts.items()}
    if kind == "array":
        most = schema.get("maxItems", 3)
        least = schema.get("minItems", min(1, most) if depth < 6 else 0)
        count = least + number % (max(min(most, 3), least) - least + 1)
        return [fill(schema.get("items", {}), root, seed, f"{name} {i}", depth + 1) for i in range(count)]
    if kind in ("integer", "number"):
        top = schema.get("maximum", schema.get("exclusiveMaximum", 101) - 1)
        low = schema.get("minimum", schema.get("exclusiveMinimum", min(0, top) - 1) + 1)
        return low + number % (max(int(top - low), 0) + 1)
    if kind in ("boolean", "null"):
        return bool(number % 2) if kind == "boolean" else None
    text = " ".join([name.split()[0].replace("_", " "), *(WORDS[number >> shift & 7] for shift in (0, 3, 6, 9))])
    return text.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]


def find_kind(schema: Schema | None) -> str:
    """The column kind that a schema belongs to, told by its properties."""
    if schema is None:
        return "chat"
    parts = schema.get("properties", {})
    if parts and all({"reasoning", "score"} <= resolve(p, schema).get("properties", {}).keys() for p in parts.values()):
        return "judge"
    return "digest" if "user_goal" in parts else "record" if {"instruction", "response"} <= parts.keys() else "other"


def judge(record: Recorded, schema: Schema, scores: Any) -> dict[str, Any]:
    """A score for every dimension, in the type of the schema's option that reads the same."""
    verdict: dict[str, Any] = {}
    for name, part in schema["properties"].items():
        score = scores(record, name) if callable(scores) else scores
        options = resolve(resolve(part, schema)["properties"]["score"], schema).get("enum", [])
        fitting = next((option for option in options if str(option) == str(score)), score)
        verdict[name] = {"reasoning": f"{name.replace('_', ' ')} of {record.prompt_hash}", "score": fitting}
    return verdict


def build_answer(record: Recorded, schema: Schema | None, behaviour: Behaviour) -> Any:
    """The answer before any fault: from the prompt's own content, else filled from the prompt's hash."""
    given = behaviour.answer(record)
    if given is not None or schema is None:
        return "Hello." if given is None else given
    if record.kind == "judge":
        return judge(record, schema, behaviour.scores)
    answer = fill(schema, schema, record.prompt_hash)
    if record.kind == "digest":
        answer["user_goal"] = behaviour.goal(record.prompt)
    elif record.kind == "record":
        digest = behaviour.digest(record.prompt)
        lines = [digest.get("useful_outcome", ""), *(f"- {action}" for action in digest.get("notable_actions", []))]
        answer["instruction"] = digest.get("user_goal", "")
        answer["response"] = "\n".join(filter(None, lines)) or answer["instruction"]
    for name in behaviour.fields.keys() & answer.keys():
        value = behaviour.fields[name]
        answer[name] = value(record) if callable(value) else value
    return answer


def build_message(answer: Any, fault: Fault | None, bare_json: bool) -> dict[str, Any]:
    """The assistant message that carries the answer, spoiled by a fault of a score or of the content."""
    kind = fault.kind if fault else ""
    if fault and kind in SCORE_FAULTS and isinstance(answer, dict):
        name = fault.dimension or next(iter(answer))
        holder, key = (answer[name], "score") if isinstance(answer[name], dict) else (answer, name)
        text = NUMBERS[holder[key]] if kind == "score_word" and holder[key] in range(5) else str(holder[key])
        holder[key] = None if kind == "null_score" else text
        if kind == "missing_score":
            del answer[name]
    text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    text = text if bare_json or isinstance(answer, str) else f"```json\n{text}\n```"
    spoiled = {"prose": "The work was done well.", "truncated": text[: len(text) // 2], "refusal_prose": REFUSAL}
    message = {"role": "assistant", "content": {**spoiled, "empty": "", "refusal": None}.get(kind, text)}
    return {**message, "refusal": REFUSAL} if kind == "refusal" else message


def build_completion(record: Recorded, message: dict[str, Any], finish: str) -> dict[str, Any]:
    """The response body, with token counts estimated as characters / 4."""
    asked, said = record.prompt_chars // 4, len(message["content"] or "") // 4
    return {
        "id": f"chatcmpl-{record.prompt_hash}-{record.attempt}",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": record.body.get("model", "test-model"),
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said},
    }
