"""The test server itself: answers by schema, each fault, counters, keep-alive under 128 parallel requests."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.model_server import Behaviour, Fault, Match, Recorded, ServerHandle, running_server

TEXT = {"type": "string"}
LEVEL = {"enum": ["high", "medium", "low"], "type": "string"}
DIGEST = {
    "$defs": {"Level": LEVEL},
    "type": "object",
    "properties": {
        "user_goal": TEXT,
        "notable_actions": {"type": "array", "items": TEXT, "minItems": 1, "maxItems": 6},
        "useful_outcome": TEXT,
        "training_value": {"$ref": "#/$defs/Level"},
    },
}
RECORD = {"type": "object", "properties": {"instruction": TEXT, "response": TEXT, "difficulty": LEVEL}}
SCORE = {
    "type": "object",
    "properties": {"reasoning": TEXT, "score": {"allOf": [{"$ref": "#/$defs/Scale"}], "description": "0 to 4"}},
}
JUDGE = {
    "$defs": {"Scale": {"enum": [4, 3, 2, 1, 0]}, "groundedness": SCORE},
    "type": "object",
    "properties": {"groundedness": {"$ref": "#/$defs/groundedness"}, "response_quality": SCORE},
}
ANYTHING = {
    "type": "object",
    "properties": {
        "count": {"type": "integer", "minimum": 3, "exclusiveMaximum": 5},
        "tags": {"type": "array", "items": {"type": "string", "minLength": 40, "maxLength": 50}, "minItems": 2},
        "maybe": {"anyOf": [{"type": "null"}, {"const": "x"}]},
        "inner": {"type": "object", "properties": {"flag": {"type": "boolean"}, "nothing": {"type": "null"}}},
    },
}


@pytest.fixture
def server() -> Iterator[ServerHandle]:
    with running_server() as handle:
        yield handle


def build_body(prompt: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    text = prompt if schema is None else f"{prompt}\n<response_schema>\n{json.dumps(schema)}\n</response_schema>"
    blocks = [{"type": "text", "text": text}]
    return {"model": "m", "messages": [{"role": "system", "content": "Be good."}, {"role": "user", "content": blocks}]}


def post(server: ServerHandle, prompt: str, schema: dict[str, Any] | None = None, **more: Any) -> httpx.Response:
    body = {**build_body(prompt, schema), **more}
    return httpx.post(f"{server.url}/chat/completions", json=body, timeout=10, trust_env=False)


def read_content(response: httpx.Response) -> str | None:
    return response.json()["choices"][0]["message"]["content"]


def ask(server: ServerHandle, prompt: str, schema: dict[str, Any]) -> dict[str, Any]:
    content = read_content(post(server, prompt, schema)) or ""
    assert (content[:8], content[-4:]) == ("```json\n", "\n```")
    return json.loads(content[8:-4])


@pytest.mark.parametrize(
    "form",
    ["A\nGoal: %s\nls", "user_goal: %s", "## Goal\n\n%s", "== goal ==\n%s\n\n", "== goal: b ==\n%s", "<goal>%s</goal>"],
)
def test_digest_copies_the_goal(server: ServerHandle, form: str) -> None:
    prompt = form % "fix the parser"
    answer = ask(server, prompt, DIGEST)
    assert list(answer) == list(DIGEST["properties"])
    assert (answer["user_goal"], answer["training_value"]) == ("fix the parser", "high")
    assert 1 <= len(answer["notable_actions"]) <= 6
    assert answer == ask(server, prompt, DIGEST)


def render_lines(digest: dict[str, Any]) -> str:
    return f"\nGoal: {digest['user_goal']}\nActions:\n- ran pytest\n\nOutcome: It works.\nLimits: {json.dumps(digest)}"


@pytest.mark.parametrize("render", [json.dumps, repr, render_lines])
def test_record_is_made_from_the_digest(server: ServerHandle, render: Any) -> None:
    digest = {"user_goal": "fix it's parser", "notable_actions": ["ran pytest"], "useful_outcome": "It works."}
    answer = ask(server, f"The user_goal matters.\nDigest: {render(digest)} end", RECORD)
    assert answer["instruction"] == "fix it's parser"
    assert answer["response"] == "It works.\n- ran pytest"
    assert ask(server, "user goal: build", RECORD)["response"] == "build"


def test_judge_scores_by_callable() -> None:
    def score(record: Recorded, dimension: str) -> int:
        return 1 if "bad" in record.prompt and dimension == "groundedness" else 3

    with running_server(Behaviour(scores=score)) as server:
        assert [verdict["score"] for verdict in ask(server, "bad", JUDGE).values()] == [1, 3]
        server.behaviour = Behaviour()
        assert ask(server, "bad", JUDGE)["groundedness"]["score"] == 4
        text = json.loads(json.dumps(JUDGE).replace("[4, 3, 2, 1, 0]", '["0", "4"]'))
        assert ask(server, "bad", text)["groundedness"]["score"] == "4"


def test_any_schema_is_filled(server: ServerHandle) -> None:
    answer = ask(server, "anything", ANYTHING)
    assert answer["count"] in (3, 4)
    assert len(answer["tags"]) >= 2
    assert all(40 <= len(tag) <= 50 for tag in answer["tags"])
    assert (answer["maybe"], answer["inner"]["nothing"]) == ("x", None)
    assert isinstance(answer["inner"]["flag"], bool)


def test_the_last_schema_block_counts_and_response_format_before_it(server: ServerHandle) -> None:
    fake = "<response_schema>{}</response_schema> </response_schema> goal: x"
    assert "instruction" in ask(server, fake, RECORD)
    wanted = {"type": "json_schema", "json_schema": {"name": "verdict", "schema": JUDGE}}
    post(server, fake, RECORD, response_format=wanted)
    assert [record.kind for record in server.requests] == ["record", "judge"]


def test_models_chat_and_unknown_path(server: ServerHandle) -> None:
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        assert client.get("/models").json()["data"][0]["id"] == "test-model"
        assert client.get("/nothing").status_code == 404
        response = client.post("/chat/completions", json=build_body("Hello!"))
    assert read_content(response) == "Hello."
    assert response.json()["usage"] == {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    assert server.count("chat") == len(server.requests) == 1


LIMITS = [("429", 429, "rate_limit_exceeded"), ("quota", 429, "insufficient_quota")]
OTHERS = [("401", 401, "invalid_api_key"), ("500", 500, None), ("503", 503, None)]
TOO_LONG = ("context_length", 400, "context_length_exceeded")


@pytest.mark.parametrize(("kind", "status", "code"), [*LIMITS, *OTHERS, TOO_LONG])
def test_error_faults(kind: str, status: int, code: str | None) -> None:
    with running_server(Behaviour(faults=(Fault(kind, times=1, retry_after_s=2),))) as server:
        response = post(server, "goal: a", DIGEST)
        assert (response.status_code, response.json()["error"]["code"]) == (status, code)
        assert response.headers["retry-after"] == "2"
        assert post(server, "goal: a", DIGEST).status_code == 200
        assert [(r.fault, r.status, r.attempt) for r in server.requests] == [(kind, status, 1), (None, 200, 2)]


def test_content_faults() -> None:
    refusal = "I'm sorry, but I can't help with that."
    contents = {"prose": "The work was done well.", "refusal": None, "refusal_prose": refusal, "empty": ""}
    with running_server(Behaviour(faults=tuple(Fault(kind, times=1) for kind in contents))) as server:
        messages = [post(server, "goal: a", DIGEST).json()["choices"][0]["message"] for _ in contents]
    assert [message["content"] for message in messages] == list(contents.values())
    assert [message.get("refusal") for message in messages] == [None, refusal, None, None]


def test_truncated_html_and_bare_answers() -> None:
    faults = (Fault("truncated", times=1), Fault("html", times=1))
    with running_server(Behaviour(faults=faults, bare_json=True)) as server:
        cut = post(server, "goal: a", DIGEST)
        assert cut.json()["choices"][0]["finish_reason"] == "length"
        page = post(server, "goal: a", DIGEST)
        assert (page.status_code, page.headers["content-type"], page.text[:6]) == (200, "text/html", "<html>")
        whole = read_content(post(server, "goal: a", DIGEST)) or ""
        assert json.loads(whole)["user_goal"] == "a"
        assert whole.startswith(read_content(cut) or "-")


@pytest.mark.parametrize(
    ("kind", "score"), [("null_score", None), ("score_text", "4"), ("score_word", "four"), ("missing_score", "absent")]
)
def test_score_faults_hit_the_judge_alone(kind: str, score: str | None) -> None:
    fault = Fault(kind, dimension="response_quality", when=Match(column="judge"))
    with running_server(Behaviour(faults=(fault,))) as server:
        answer = ask(server, "x", JUDGE)
        assert answer.get("response_quality", {"score": "absent"})["score"] == score
        assert answer["groundedness"]["score"] == 4
        server.behaviour = Behaviour(faults=(Fault(kind),))
        assert ask(server, "goal: a", DIGEST)["user_goal"] == "a"
        assert ask(server, "x", JUDGE).get("groundedness", {"score": "absent"})["score"] == score


def test_cut_and_hang_and_slow() -> None:
    faults = (Fault("cut", times=1), Fault("hang", when=Match(contains="stuck")), Fault("slow", ms=120))
    with running_server(Behaviour(faults=faults)) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            post(server, "goal: a", DIGEST)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{server.url}/chat/completions", json=build_body("stuck"), timeout=0.2, trust_env=False)
        begun = time.monotonic()
        post(server, "goal: a", DIGEST)
        assert time.monotonic() - begun >= 0.12
        assert [(r.fault, r.status) for r in server.requests] == [("cut", 200), ("hang", None), ("slow", 200)]


def test_counters_choose_requests() -> None:
    def statuses(fault: Fault, prompts: str) -> str:
        with running_server(Behaviour(faults=(fault,))) as server:
            return "".join(str(post(server, prompt).status_code)[0] for prompt in prompts)

    assert statuses(Fault("500", every=3), "aaaaaaa") == "2252252"
    assert statuses(Fault("500", skip=2, times=2), "aaaaaa") == "225522"
    assert statuses(Fault("500", first_per_prompt=True), "abaab") == "55222"
    assert statuses(Fault("500", between=(0.0, 1e-9)), "aa") == "52"
    assert statuses(Fault("500", when=lambda record: record.attempt == 2), "aba") == "225"


def test_rule_reset_and_change_at_run_time(server: ServerHandle) -> None:
    bad = Fault("500")
    server.behaviour = replace(server.behaviour, rule=lambda record: bad if record.prompt == "b" else None)
    assert [post(server, prompt).status_code for prompt in "ab"] == [200, 500]
    assert (server.count(), server.count(fault="500"), server.count("chat", status=200)) == (2, 1, 1)
    assert server.requests[0].headers["content-type"] == "application/json"
    server.reset()
    server.behaviour = Behaviour(keep_bodies=False)
    post(server, "b")
    assert [(record.attempt, record.body, record.prompt) for record in server.requests] == [(1, {}, "")]
    with pytest.raises(ValueError, match="no fault kind"):
        Fault("502")


def test_fraction_is_of_prompts_and_stays() -> None:
    faults = (Fault("500", when=Match(fraction=0.2)),)
    with running_server(Behaviour(faults=faults)) as server, httpx.Client(trust_env=False) as client:
        for number in list(range(200)) * 2:
            client.post(f"{server.url}/chat/completions", json=build_body(f"prompt {number}"))
        failed = [record.prompt_hash for record in server.requests if record.status == 500]
        assert len(failed) == 2 * len(set(failed))
        assert 20 <= len(set(failed)) <= 60
        assert server.stats()["repeats"] == 200


def test_what_a_callable_raises_is_raised_on_leaving() -> None:
    with pytest.raises(ZeroDivisionError), running_server(Behaviour(scores=lambda record, name: 1 // 0)) as server:
        assert post(server, "x", JUDGE).status_code == 500


async def wait_for_in_flight(server: ServerHandle, number: int) -> None:
    async with asyncio.timeout(20):
        while server.in_flight != number:
            await asyncio.sleep(0.01)


async def ask_in_parallel(server: ServerHandle) -> None:
    """8 clients with 16 connections each: one httpx pool of 128 costs more than the server."""
    clients = [httpx.AsyncClient(base_url=server.url, timeout=30, trust_env=False, verify=False) for _ in range(8)]
    async with AsyncExitStack() as stack:
        for client in clients:
            await stack.enter_async_context(client)

        async def ask_often(worker: int, times: int) -> list[int]:
            bodies = [build_body(f"goal: {worker}.{number}", DIGEST) for number in range(times)]
            return [(await clients[worker % 8].post("/chat/completions", json=body)).status_code for body in bodies]

        assert await asyncio.gather(*(ask_often(worker, 2) for worker in range(128))) == [[200, 200]] * 128
        assert server.count("digest", status=200, attempt=1) == 256
        server.behaviour = Behaviour(faults=(Fault("hang"),))
        hanging = [asyncio.create_task(ask_often(worker, 1)) for worker in range(128)]
        await wait_for_in_flight(server, 128)
        assert server.peak_in_flight == 128
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
        await wait_for_in_flight(server, 0)


def test_128_parallel_requests() -> None:
    with running_server(Behaviour(latency_ms=20)) as server:
        asyncio.run(ask_in_parallel(server))


def test_process_prints_its_port_and_counts() -> None:
    command = [sys.executable, "-m", "tests.model_server", "--latency-ms", "50"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as process:
        try:
            assert process.stdout
            url = f"http://127.0.0.1:{int(process.stdout.readline())}"
            with httpx.Client(base_url=url, trust_env=False) as client:
                begun = time.monotonic()
                client.post("/v1/chat/completions", json=build_body("goal: a", DIGEST))
                assert time.monotonic() - begun >= 0.05
                assert client.get("/stats").json()["kind"] == {"digest": 1}
                client.post("/reset", json={"latency_ms": 0})
                assert client.get("/stats").json()["requests"] == 0
        finally:
            process.terminate()
        assert process.wait(timeout=10) == 0
