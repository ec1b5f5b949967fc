"""A trace as the store takes it: encoded once, wherever it was read, so that it can come from another process."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from msgspec.structs import replace

from tracemill.trace import LIGHT_COLUMNS, Trace

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Trace).decode


class Packed(msgspec.Struct, frozen=True, gc=False):
    """One trace. ``light``: its light columns and ``goal``; ``digest``: see ``hash_content``; ``encoded``: JSON."""

    trace_id: str
    root_session_id: str
    digest: str
    light: dict[str, Any]
    redacted: dict[str, int]
    encoded: bytes


def pack_trace(trace: Trace) -> Packed:
    """The trace, encoded."""
    light = {name: getattr(trace, name) for name in LIGHT_COLUMNS}
    light["goal"] = trace.goal
    return Packed(trace.trace_id, trace.root_session_id, hash_content(trace), light, trace.redacted, _encode(trace))


def rename_packed(packed: Packed, trace_id: str) -> Packed:
    """The same trace under another id."""
    return pack_trace(replace(_decode(packed.encoded), trace_id=trace_id))


def hash_content(trace: Trace) -> str:
    """Tells conversations with one id apart, by length, first and last words.

    No times: Hermes writes one session into a snapshot and into its database with different ones.
    """
    content = [len(trace.messages), trace.goal[:2000], trace.final_assistant_message[:2000]]
    return hashlib.blake2b(_encode(content), digest_size=4).hexdigest()
