"""The attempts at one model cell: requests, corrections, backoff, and the end of patience.

Faults that may pass (rate limits, 5xx, timeouts, cut connections) are tried again with backoff until the governor's
``patience_s`` is over; an answer that does not fit is sent back with what was wrong, ``max_bad_outputs`` times in all.
Then the fault is the row's, which keeps its place with a status and a reason, or the endpoint's, which stops the run.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Any

from data_designer.engine.models.facade import ModelFacade
from data_designer.engine.models.utils import ChatMessage, classify_generation_truncation_reason

from tracemill.plugin.answers import AnswerError, ReadAnswer
from tracemill.plugin.context import get_context
from tracemill.plugin.faults import RATE_LIMIT, Fault, classify_fault, shorten
from tracemill.plugin.governor import Stop

_FIRST_DELAY_S = 1.0
_LONGEST_DELAY_S = 20.0


class CellFailure(Exception):
    """The cell stays empty; ``str(failure)`` is the one-line reason."""


@dataclass(frozen=True, slots=True)
class CellRequest:
    """What one cell asks: its journal key, its prompts, and how its answer is read."""

    key: str
    trace_id: str
    column: str
    user: str
    system: str
    model: ModelFacade
    read_answer: ReadAnswer
    max_bad_outputs: int
    timeout_s: float


class Conversation:
    """The attempts at one cell."""

    def __init__(self, request: CellRequest) -> None:
        self._request = request
        opening = [ChatMessage.as_system(request.system)] if request.system else []
        self._opening = [*opening, ChatMessage.as_user(request.user)]
        self._messages = list(self._opening)
        self._bad_outputs = 0
        self._random = random.Random(request.key)
        self._queued = Fault("passing", RATE_LIMIT, "no request could be sent")

    async def run(self) -> Any:
        """The value of the cell. Raises CellFailure when it stays empty."""
        started, faults_in_a_row = time.monotonic(), 0
        while True:
            try:
                return await self._attempt()
            except BadOutput as bad:
                faults_in_a_row = 0
                self._note_bad_output(bad)
            except Exception as error:
                fault = self._queued if isinstance(error, QueuedTooLong) else classify_fault(error)
                if fault.name == RATE_LIMIT:
                    self._queued = fault
                waited = self._measure_wait(fault, started)
                if fault.kind != "passing" or waited >= get_context().governor.patience_s:
                    await self._give_up(fault, started, waited)
                faults_in_a_row += 1
                await asyncio.sleep(self._choose_delay(faults_in_a_row))

    async def _attempt(self) -> Any:
        model, governor = self._request.model, get_context().governor
        reserved = await governor.enter(model.model_name, sum(len(str(item.content)) for item in self._messages))
        tokens, is_success = (0, 0), False
        try:
            response = await self._send()
            is_success = True
            if response.usage is not None:
                tokens = (response.usage.input_tokens or 0, response.usage.output_tokens or 0)
            value = self._parse((response.message.content or "").strip(), response)
            is_kept = self._keep(value)
        finally:
            governor.leave(model.model_name, *tokens, is_success=is_success, reserved=reserved)
        if not is_kept:
            await asyncio.Event().wait()  # the run is stopping
        return value

    async def _send(self) -> Any:
        """One request. Data Designer holds it back for as long as an endpoint's Retry-After says, maybe for hours."""
        limit_s = get_context().governor.patience_s + self._request.timeout_s
        deadline = asyncio.timeout(limit_s)
        try:
            async with deadline:
                return await self._request.model.acompletion(
                    self._messages, skip_usage_tracking=True, allow_multiple_choices=False
                )
        except TimeoutError:
            if deadline.expired():
                raise QueuedTooLong from None
            raise

    def _measure_wait(self, fault: Fault, started: float) -> float:
        """Seconds of patience used: a rate limit passes as long as anyone is answered, and is nobody's own fault."""
        if fault.name == RATE_LIMIT:
            started = max(started, get_context().governor.last_success.get(self._request.model.model_name, started))
        return time.monotonic() - started

    def _parse(self, answer: str, response: Any) -> Any:
        cut = classify_generation_truncation_reason(response)
        if cut is not None:
            raise BadOutput(answer, f"the answer was cut off ({cut.value}); answer more briefly")
        try:
            return self._request.read_answer(answer)
        except AnswerError as error:
            raise BadOutput(answer, shorten(str(error), 600)) from error

    def _keep(self, value: Any) -> bool:
        """Write the value into the journal; False where the disk refused, which stops the run."""
        journal, governor = get_context().journal, get_context().governor
        if journal is None:
            return True
        try:
            journal.append(self._request.key, self._request.trace_id, self._request.column, value)
        except OSError as error:
            governor.request_stop(Stop("disk", f"cannot write the journal: {error.strerror or error}"))
            return False
        return True

    def _note_bad_output(self, bad: BadOutput) -> None:
        self._bad_outputs += 1
        if self._bad_outputs >= self._request.max_bad_outputs:
            raise CellFailure(f"no usable answer in {self._bad_outputs} attempts: {shorten(str(bad), 200)}")
        correction = f"That answer cannot be used: {bad}\nAnswer again with the complete JSON object only."
        shown = ChatMessage.as_assistant(bad.answer[:4000] or "(empty)")
        self._messages = [*self._opening, shown, ChatMessage.as_user(correction)]

    def _choose_delay(self, faults_in_a_row: int) -> float:
        longest = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2 ** (faults_in_a_row - 1))
        return longest * (0.5 + self._random.random() / 2)

    async def _give_up(self, fault: Fault, started: float, waited: float) -> None:
        """Raise CellFailure, or, where the fault is the endpoint's, stop the run and wait for its end."""
        model, governor = self._request.model.model_name, get_context().governor
        if fault.kind == "refusal":
            governor.note_refusal(model, fault.name, f"model {model}: {fault.line}")
            if governor.stop is not None and governor.can_interrupt:  # not the row's fault: leave the cell open
                await asyncio.Event().wait()
            raise CellFailure(fault.line)
        is_common = fault.kind == "fatal" or fault.name == RATE_LIMIT
        is_endpoint = is_common or not governor.has_succeeded_since(model, started)
        duration = "" if fault.kind == "fatal" else f" (tried for {waited:.0f} s)"
        if is_endpoint and governor.can_interrupt:
            governor.request_stop(Stop("endpoint", f"model {model}: {fault.line}{duration}"))
            await asyncio.Event().wait()
        raise CellFailure(f"{fault.line}{duration}")


class QueuedTooLong(Exception):
    """A request that was held back, because of rate limits, until patience was over."""


class BadOutput(Exception):
    """An answer that does not fit the schema."""

    def __init__(self, answer: str, problem: str) -> None:
        super().__init__(problem)
        self.answer = answer
