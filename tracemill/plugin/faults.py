"""What went wrong with a request, told in one line, and whether it may pass.

Data Designer's client raises ``ProviderError`` with a kind; here kinds become three classes:

* ``passing``: rate limits, 5xx, timeouts, cut connections, garbled bodies. Worth another try.
* ``refusal``: this request will not be taken (context too long, bad parameter). The row's own fault, unless every row
  meets it.
* ``fatal``: no request will be taken (wrong key, no such model, quota used up).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from data_designer.engine.models.clients.errors import ProviderError, ProviderErrorKind

FaultKind = Literal["passing", "refusal", "fatal"]

#: The name of a fault that tells of the load of all rows, never of one.
RATE_LIMIT = ProviderErrorKind.RATE_LIMIT.value

_PASSING = frozenset(
    {
        ProviderErrorKind.RATE_LIMIT,
        ProviderErrorKind.TIMEOUT,
        ProviderErrorKind.REQUEST_ADMISSION_TIMEOUT,
        ProviderErrorKind.INTERNAL_SERVER,
        ProviderErrorKind.API_CONNECTION,
        ProviderErrorKind.API_ERROR,
    }
)
_FATAL = {
    ProviderErrorKind.AUTHENTICATION: "the API key was refused; check the key in the environment",
    ProviderErrorKind.PERMISSION_DENIED: "the API key may not use this model",
    ProviderErrorKind.NOT_FOUND: "the endpoint does not know this model or path; check --model and --endpoint",
    ProviderErrorKind.QUOTA_EXCEEDED: "the quota or credit of this key is used up",
}
_REFUSALS = {
    ProviderErrorKind.CONTEXT_WINDOW_EXCEEDED: "the prompt is longer than the model's context; lower --view-chars",
}
#: OpenAI sends its quota error as a 429 whose message Data Designer 0.9 takes for a rate limit.
_QUOTA_WORDS = ("exceeded your current quota", "insufficient_quota", "billing details")


@dataclass(frozen=True, slots=True)
class Fault:
    """A failed request: its class, a stable name and one line for people."""

    kind: FaultKind
    name: str
    line: str


def classify_fault(error: Exception) -> Fault:
    """Say what an exception of a model request means."""
    if not isinstance(error, ProviderError):
        if isinstance(error, TimeoutError):
            return Fault("passing", "timeout", "no answer in time")
        return Fault("refusal", type(error).__name__, shorten(f"{type(error).__name__}: {error}"))
    kind = error.kind
    if kind == ProviderErrorKind.RATE_LIMIT and any(word in error.message.lower() for word in _QUOTA_WORDS):
        kind = ProviderErrorKind.QUOTA_EXCEEDED
    status = f"HTTP {error.status_code}" if error.status_code is not None else kind.value.replace("_", " ")
    detail = shorten(error.message)
    if kind in _FATAL:
        return Fault("fatal", kind.value, f"{_FATAL[kind]} ({status}: {detail})")
    if kind in _PASSING:
        return Fault("passing", kind.value, f"{status} {detail}")
    return Fault("refusal", kind.value, f"{_REFUSALS.get(kind, 'the request was refused')} ({status}: {detail})")


def shorten(text: str, limit: int = 160) -> str:
    """One line of at most ``limit`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
