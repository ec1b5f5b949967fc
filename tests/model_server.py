"""An OpenAI-compatible chat server on loopback: answers by the schema in the prompt, with faults on demand.

    with running_server(Behaviour(faults=(Fault("500", first_per_prompt=True),))) as server:
        run(endpoint=server.url)
        assert server.count("judge", status=200) == 3

As a process: `python -m tests.model_server --port 0 --latency-ms 200` prints its port as first line and
keeps no bodies; `GET /stats` gives counts, `POST /reset` clears them and takes plain Behaviour fields as JSON
(`{"latency_ms": 0}`). No streaming, no chunked request bodies.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from hashlib import blake2b
from typing import Any, NamedTuple

from tests.model_answers import (
    ERRORS,
    SCORE_FAULTS,
    Behaviour,
    Fault,
    Match,
    Recorded,
    Schema,
    build_answer,
    build_completion,
    build_message,
    find_kind,
    find_schema,
    read_text,
)

__all__ = ["Behaviour", "Fault", "Match", "Recorded", "ServerHandle", "running_server"]


def encode(status: int, body: Any, extra: str = "") -> bytes:
    """An HTTP/1.1 response: JSON, or HTML where the body is text."""
    kind, text = ("text/html", body) if isinstance(body, str) else ("application/json", json.dumps(body))
    payload = text.encode()
    head = f"HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\nContent-Length: {len(payload)}\r\n{extra}\r\n"
    return head.encode() + payload


class Reply(NamedTuple):
    """What goes out, after a delay (None: never), and whether the connection is closed after it."""

    data: bytes
    delay_s: float | None = 0.0
    close: bool = False
    status: int = 200
    record: Recorded | None = None


class ServerHandle:
    """A running server. Assign `behaviour` anew at any time, from any thread; `requests` holds chat requests only."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.url = ""
        self.error: Exception | None = None  # what a callable of the behaviour raised; answered with a 500
        self._lock = threading.RLock()
        self.in_flight = 0
        self.reset()

    def reset(self) -> None:
        """Forget all requests, what faults have counted, and the time of the first request."""
        with self._lock:
            self.requests: list[Recorded] = []
            self.peak_in_flight = self.in_flight
            self._calls: Counter[str] = Counter()
            self._hits: defaultdict[Fault, Counter[str]] = defaultdict(Counter)
            self._first: float | None = None

    def count(self, kind: str | None = None, **values: Any) -> int:
        """Requests of a kind (None: all) whose other fields have these values."""
        chosen = [record for record in list(self.requests) if kind in (None, record.kind)]
        return sum(all(getattr(record, name) == value for name, value in values.items()) for record in chosen)

    def stats(self) -> dict[str, Any]:
        """Counts by kind, status and fault, repeats of the same call, prompt characters, CPU seconds of the process."""
        requests = list(self.requests)
        chars = [record.prompt_chars for record in requests]
        tally = {name: Counter(str(getattr(r, name)) for r in requests) for name in ("kind", "status", "fault")}
        sizes = {"prompt_chars": sum(chars), "largest_prompt_chars": max(chars, default=0)}
        repeats = len(requests) - len({record.prompt_hash for record in requests})
        peak = {"peak_in_flight": self.peak_in_flight, "cpu_s": round(time.process_time(), 3)}
        return {"requests": len(requests), "repeats": repeats, **tally, **sizes, **peak}

    def answer(self, path: str, headers: dict[str, str], raw: bytes) -> Reply:
        """The reply to one HTTP request."""
        if path.endswith("/models"):
            return Reply(encode(200, {"object": "list", "data": [{"id": "test-model", "object": "model"}]}))
        if path == "/stats":
            return Reply(encode(200, self.stats()))
        if path == "/reset":
            self.behaviour = replace(self.behaviour, **json.loads(raw or b"{}"))
            self.reset()
            return Reply(encode(200, {}))
        if not path.endswith("/chat/completions"):
            return Reply(encode(404, {"error": {"message": f"no such path: {path}", "code": "not_found"}}), status=404)
        try:
            with self._lock:
                return self._answer_chat(headers, json.loads(raw))
        except Exception as error:
            self.error = error
            return Reply(encode(500, {"error": {"message": f"test server: {error!r}"}}), status=500)

    def _answer_chat(self, headers: dict[str, str], body: dict[str, Any]) -> Reply:
        behaviour = self.behaviour
        record, schema = self._record(headers, body)
        fault = self._choose_fault(record, behaviour)
        kind = record.fault = fault.kind if fault else None
        delay_s = behaviour.latency_ms / 1000 + (fault.ms / 1000 if fault and kind == "slow" else 0)
        if kind in ERRORS:
            status, text, error_type, code = ERRORS[kind]
            wait = f"Retry-After: {fault.retry_after_s:g}\r\n" if fault and fault.retry_after_s is not None else ""
            error = {"message": text, "type": error_type, "param": None, "code": code}
            reply = Reply(encode(status, {"error": error}, wait), delay_s, status=status)
        elif kind in ("hang", "html"):
            page = encode(200, "<html><body><h1>Welcome to the gateway</h1></body></html>")
            reply = Reply(page, None if kind == "hang" else delay_s)
        else:
            message = build_message(build_answer(record, schema, behaviour), fault, behaviour.bare_json)
            data = encode(200, build_completion(record, message, "length" if kind == "truncated" else "stop"))
            reply = Reply(data[: len(data) * 3 // 4] if kind == "cut" else data, delay_s, kind == "cut")
        if not behaviour.keep_bodies:
            record.prompt, record.body, record.headers = "", {}, {}
        return reply._replace(record=record)

    def _record(self, headers: dict[str, str], body: dict[str, Any]) -> tuple[Recorded, Schema | None]:
        texts = [(message["role"], read_text(message.get("content"))) for message in body["messages"]]
        prompt = "\n\n".join(text for role, text in texts if role == "user")
        schema = find_schema(body, prompt)
        identity = repr((body.get("model"), texts, body.get("response_format")))
        key = blake2b(identity.encode(), digest_size=8).hexdigest()
        now = time.monotonic()
        self._first = now if self._first is None else self._first
        self._calls[key] += 1
        chars = sum(len(text) for _, text in texts)
        arrived_s = now - self._first
        record = Recorded(find_kind(schema), key, self._calls[key], arrived_s, prompt, chars, body, headers)
        self.requests.append(record)
        return record, schema

    def _choose_fault(self, record: Recorded, behaviour: Behaviour) -> Fault | None:
        if chosen := behaviour.rule(record):
            return chosen
        for fault in behaviour.faults:
            if not fault.between[0] <= record.arrived_s < fault.between[1] or not fault.when(record):
                continue
            if fault.kind in SCORE_FAULTS and record.kind != "judge" and not fault.dimension:
                continue
            hits = self._hits[fault]
            hits[record.prompt_hash] += 1
            if fault.first_per_prompt and hits[record.prompt_hash] > 1:
                continue
            hits["matched"] += 1
            nth = hits["matched"] - fault.skip
            if nth > 0 and nth % fault.every == 0 and (fault.times is None or hits["fired"] < fault.times):
                hits["fired"] += 1
                return fault
        return None


class Connection(asyncio.Protocol):
    """One keep-alive connection: requests one after the other, no task and no stream objects."""

    def __init__(self, server: ServerHandle, peers: set[Connection]) -> None:
        self.server, self.peers = server, peers
        self.buffer = bytearray()
        self.reply: Reply | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.peers.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.peers.discard(self)
        if self.timer:
            self.timer.cancel()
        if self.reply:
            self.server.in_flight -= 1

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.reply is None:
            self._advance()

    def _advance(self) -> None:
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        first, *lines = self.buffer[:end].decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        total = end + 4 + int(headers.get("content-length", 0))
        if len(self.buffer) < total:
            return
        raw = bytes(self.buffer[end + 4 : total])
        del self.buffer[:total]
        self.reply = reply = self.server.answer(first.split(" ")[1], headers, raw)
        self.server.in_flight += 1
        self.server.peak_in_flight = max(self.server.peak_in_flight, self.server.in_flight)
        if reply.delay_s:
            self.timer = asyncio.get_running_loop().call_later(reply.delay_s, self._send)
        elif reply.delay_s is not None:
            self._send()

    def _send(self) -> None:
        assert self.reply
        reply, self.reply, self.timer = self.reply, None, None
        self.server.in_flight -= 1
        if reply.record:
            reply.record.status = reply.status
        self.transport.write(reply.data)
        if reply.close:
            self.transport.close()
        elif self.buffer:
            self._advance()


async def serve(server: ServerHandle, port: int, ready: Callable[[int, Callable[[], Any]], None]) -> None:
    """Serve until the function that `ready` gets with the port is called in the loop's thread."""
    stop, peers = asyncio.Event(), set[Connection]()
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(lambda: Connection(server, peers), "127.0.0.1", port, backlog=1024)
    port = listener.sockets[0].getsockname()[1]
    server.url = f"http://127.0.0.1:{port}/v1"
    ready(port, lambda: loop.call_soon_threadsafe(stop.set))
    await stop.wait()
    listener.close()
    while peers:
        for peer in peers:
            peer.transport.abort()
        await asyncio.sleep(0)
    await listener.wait_closed()


@contextmanager
def running_server(behaviour: Behaviour | None = None, port: int = 0) -> Iterator[ServerHandle]:
    """A server in a thread of its own; leaving closes every connection and raises what the behaviour raised."""
    server = ServerHandle(behaviour or Behaviour())
    started: Future[Callable[[], Any]] = Future()

    def work() -> None:
        try:
            asyncio.run(serve(server, port, lambda _, stop: started.set_result(stop)))
        except Exception as error:
            started.set_exception(error)

    thread = threading.Thread(target=work, name="model-server", daemon=True)
    thread.start()
    stop = started.result(timeout=30)
    try:
        yield server
    finally:
        stop()
        thread.join(timeout=30)
    if server.error:
        raise server.error


def main() -> None:
    """Serve as a process of its own until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    options = parser.parse_args()
    server = ServerHandle(Behaviour(latency_ms=options.latency_ms, keep_bodies=False))

    def ready(port: int, stop: Callable[[], Any]) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop())
        print(port, flush=True)

    asyncio.run(serve(server, options.port, ready))


if __name__ == "__main__":
    main()
