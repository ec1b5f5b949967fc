"""The generators of the model columns: one cell is one answer, kept or explained, never a lost row.

Inside a cell, faults that may pass (rate limits, 5xx, timeouts, cut connections) are tried again with backoff until
the governor's ``patience_s`` is over; answers that don't fit the schema are sent back with what was wrong,
``max_bad_outputs`` times.
What is over then is decided by ``Governor``: the row's fault is written to ``<name>_status`` and ``<name>_error``, the
endpoint's fault stops the run, which can be resumed.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import logging
import random
import time
from abc import abstractmethod
from typing import Any, cast

from data_designer.config.run_config import JinjaRenderingEngine
from data_designer.engine.column_generators.generators.base import GenerationStrategy
from data_designer.engine.column_generators.generators.llm_completion import ColumnGeneratorWithModelChatCompletion
from data_designer.engine.column_generators.utils.judge_score_factory import (
    create_judge_response_model,
    create_judge_structured_output_model,
)
from data_designer.engine.column_generators.utils.prompt_renderer import PromptType
from data_designer.engine.configurable_task import TaskConfigT
from data_designer.engine.models.parsers.errors import ParserException
from data_designer.engine.models.recipes.base import ResponseRecipe
from data_designer.engine.models.recipes.response_recipes import PydanticResponseRecipe, StructuredResponseRecipe
from data_designer.engine.models.utils import ChatMessage, classify_generation_truncation_reason

from tracemill.plugin.config import (
    KEY_COLUMN,
    VIEW_VARIABLE,
    CellStatus,
    TraceJudgeColumnConfig,
    TraceStructuredColumnConfig,
)
from tracemill.plugin.context import get_context
from tracemill.plugin.faults import Fault, classify_fault, shorten
from tracemill.plugin.governor import Stop
from tracemill.plugin.templates import compile_template, find_variables
from tracemill.view import fence, render_view

logger = logging.getLogger(__name__)

_FIRST_DELAY_S = 1.0
_LONGEST_DELAY_S = 20.0

CellConfig = TraceStructuredColumnConfig | TraceJudgeColumnConfig


class CellFailure(Exception):
    """The cell stays empty; ``str(failure)`` is the one-line reason."""


class _ModelCellGenerator(ColumnGeneratorWithModelChatCompletion[TaskConfigT]):
    """What both model column types do."""

    failed_status: CellStatus = "failed"

    @property
    def cell(self) -> CellConfig:
        """The column's config."""
        return cast(CellConfig, self.config)

    @staticmethod
    def get_generation_strategy() -> GenerationStrategy:
        return GenerationStrategy.CELL_BY_CELL

    @abstractmethod
    def build_recipe(self) -> ResponseRecipe[Any]:
        """The response recipe of this column."""

    @functools.cached_property
    def response_recipe(self) -> ResponseRecipe[Any]:
        return self.build_recipe()

    @functools.cached_property
    def _schema_suffix(self) -> str:
        return self.response_recipe.apply_recipe_to_user_prompt("")

    @functools.cached_property
    def _variables(self) -> list[str]:
        config = self.cell
        return sorted({*find_variables(config.prompt), *find_variables(config.system_prompt or "")} - {VIEW_VARIABLE})

    @functools.cached_property
    def _render_user(self) -> Any:
        return compile_template(self.cell.prompt)

    @functools.cached_property
    def _render_system(self) -> Any:
        return compile_template(self.cell.system_prompt or "")

    async def agenerate(self, data: dict[str, Any]) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        config = self.cell
        missing = [name for name in self._variables if data.get(name) is None and f"{name}_status" in data]
        view = self._build_view(str(data[KEY_COLUMN]))
        if missing:
            return self._finish(data, None, "skipped", f"{missing[0]} has no value", view)
        try:
            value = await self._fill(data, view)
        except CellFailure as failure:
            logger.info("%s of %s: %s", config.name, data[KEY_COLUMN], failure)
            return self._finish(data, None, self.failed_status, str(failure), view)
        return self._finish(data, value, "ok", None, view)

    def _finish(
        self, data: dict[str, Any], value: Any, status: CellStatus, error: str | None, view: str | None
    ) -> dict[str, Any]:
        name = self.cell.name
        get_context().count_cell(name, status)
        data[name], data[f"{name}_status"], data[f"{name}_error"] = value, status, error
        if self.cell.keep_view and view is not None:
            data[VIEW_VARIABLE] = view
        return data

    def _build_view(self, trace_id: str) -> str | None:
        config = self.cell
        if config.view_chars is None:
            return None
        trace = get_context().open_store(config.store).fetch(trace_id)
        digest = hashlib.blake2b(trace_id.encode("utf-8", "replace"), digest_size=6).hexdigest()
        return fence(render_view(trace, config.view_chars).text, VIEW_VARIABLE, digest)

    async def _fill(self, data: dict[str, Any], view: str | None) -> Any:
        user, system = self._render(data, view)
        trace_id = str(data[KEY_COLUMN])
        key = self._build_key(trace_id, user, system)
        journal = get_context().journal
        if journal is not None and (kept := journal.find(key)) is not None:
            get_context().cells_from_journal += 1
            return kept
        return await _Conversation(self, key, trace_id, user, system).run()

    def _render(self, data: dict[str, Any], view: str | None) -> tuple[str, str]:
        record = {name: data.get(name) for name in self._variables}
        if view is not None:
            record[VIEW_VARIABLE] = view
        if self.resource_provider.run_config.jinja_rendering_engine == JinjaRenderingEngine.SECURE:
            user = self.prompt_renderer.render(
                record=record, prompt_template=self.cell.prompt, prompt_type=PromptType.USER_PROMPT
            )
            system = self.prompt_renderer.render(
                record=record, prompt_template=self.cell.system_prompt, prompt_type=PromptType.SYSTEM_PROMPT
            )
            return user or "", system or ""
        return self._render_user(record) + self._schema_suffix, self._render_system(record)

    def _build_key(self, trace_id: str, user: str, system: str) -> str:
        parts = [trace_id, self.cell.name, self.model.model_name, json.dumps(self._inference_key), system, user]
        return hashlib.blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=16).hexdigest()

    @functools.cached_property
    def _inference_key(self) -> Any:
        return self.model_config.inference_parameters.model_dump(
            mode="json", exclude={"max_parallel_requests", "timeout"}
        )


class _Conversation:
    """The attempts at one cell."""

    def __init__(self, generator: _ModelCellGenerator[Any], key: str, trace_id: str, user: str, system: str) -> None:
        self._generator = generator
        self._config = generator.cell
        self._key = key
        self._trace_id = trace_id
        self._opening = [*([ChatMessage.as_system(system)] if system else []), ChatMessage.as_user(user)]
        self._messages = list(self._opening)
        self._bad_outputs = 0
        self._random = random.Random(key)

    async def run(self) -> Any:
        """The value of the cell. Raises CellFailure when it stays empty."""
        started, faults_in_a_row = time.monotonic(), 0
        while True:
            try:
                return await self._attempt()
            except _BadOutput as bad:
                faults_in_a_row = 0
                self._note_bad_output(bad)
            except Exception as error:
                fault = classify_fault(error)
                waited = time.monotonic() - started
                if fault.kind != "passing" or waited >= get_context().governor.patience_s:
                    await self._give_up(fault, started, waited)
                faults_in_a_row += 1
                await asyncio.sleep(self._choose_delay(faults_in_a_row))

    async def _attempt(self) -> Any:
        model, governor = self._generator.model, get_context().governor
        await governor.enter(model.model_name)
        tokens, is_success = (0, 0), False
        try:
            response = await model.acompletion(self._messages, skip_usage_tracking=True, allow_multiple_choices=False)
            is_success = True
            if response.usage is not None:
                tokens = (response.usage.input_tokens or 0, response.usage.output_tokens or 0)
            value = self._parse((response.message.content or "").strip(), response)
            await self._keep(value)
            return value
        finally:
            governor.leave(model.model_name, *tokens, is_success=is_success)

    def _parse(self, answer: str, response: Any) -> Any:
        cut = classify_generation_truncation_reason(response)
        if cut is not None:
            raise _BadOutput(answer, f"the answer was cut off ({cut.value}); answer more briefly")
        recipe = self._generator.response_recipe
        try:
            return json.loads(recipe.serialize_output(recipe.parse(answer)))
        except ParserException as error:
            raise _BadOutput(answer, shorten(str(error), 600)) from error

    async def _keep(self, value: Any) -> None:
        journal, governor = get_context().journal, get_context().governor
        if journal is None:
            return
        try:
            journal.append(self._key, self._trace_id, self._config.name, value)
        except OSError as error:
            governor.request_stop(Stop("disk", f"cannot write the journal: {error.strerror or error}"))
            await asyncio.Event().wait()

    def _note_bad_output(self, bad: _BadOutput) -> None:
        self._bad_outputs += 1
        if self._bad_outputs >= self._config.max_bad_outputs:
            raise CellFailure(f"no usable answer in {self._bad_outputs} attempts: {shorten(str(bad), 200)}")
        correction = f"That answer cannot be used: {bad}\nAnswer again with the complete JSON object only."
        shown = ChatMessage.as_assistant(bad.answer[:4000] or "(empty)")
        self._messages = [*self._opening, shown, ChatMessage.as_user(correction)]

    def _choose_delay(self, faults_in_a_row: int) -> float:
        longest = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2 ** (faults_in_a_row - 1))
        return longest * (0.5 + self._random.random() / 2)

    async def _give_up(self, fault: Fault, started: float, waited: float) -> None:
        """Raise CellFailure, or, where the fault is the endpoint's, stop the run and wait for its end."""
        model, governor = self._generator.model.model_name, get_context().governor
        if fault.kind == "refusal":
            governor.note_refusal(model, fault.name, f"model {model}: {fault.line}")
            if governor.stop is not None and governor.can_interrupt:  # not the row's fault: leave the cell open
                await asyncio.Event().wait()
            raise CellFailure(fault.line)
        is_endpoint = fault.kind == "fatal" or not governor.has_succeeded_since(model, started)
        duration = "" if fault.kind == "fatal" else f" (tried for {waited:.0f} s)"
        if is_endpoint and governor.can_interrupt:
            governor.request_stop(Stop("endpoint", f"model {model}: {fault.line}{duration}"))
            await asyncio.Event().wait()
        raise CellFailure(f"{fault.line}{duration}")


class _BadOutput(Exception):
    """An answer that does not fit the schema."""

    def __init__(self, answer: str, problem: str) -> None:
        super().__init__(problem)
        self.answer = answer


class TraceStructuredGenerator(_ModelCellGenerator[TraceStructuredColumnConfig]):
    """Fills ``trace-structured`` columns."""

    def build_recipe(self) -> ResponseRecipe[Any]:
        return StructuredResponseRecipe(json_schema=cast(dict[str, Any], self.config.output_format))


class TraceJudgeGenerator(_ModelCellGenerator[TraceJudgeColumnConfig]):
    """Fills ``trace-judge`` columns: ``{dimension: {"reasoning": str, "score": int}}``, complete or null."""

    failed_status: CellStatus = "judge_failed"

    def build_recipe(self) -> ResponseRecipe[Any]:
        models = [create_judge_response_model(score) for score in self.config.scores]
        return PydanticResponseRecipe(data_type=create_judge_structured_output_model(models))
