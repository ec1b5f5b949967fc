"""What a recipe declares: the seed source and the column types that tracemill adds to Data Designer.

All are plain Data Designer configs (they serialise to YAML and JSON); their behaviour lies in the generators beside
this module.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from data_designer.config.base import SingleColumnConfig
from data_designer.config.column_configs import ExpressionColumnConfig, LLMJudgeColumnConfig, LLMStructuredColumnConfig
from data_designer.config.seed_source import FileSystemSeedSource
from pydantic import Field, model_validator

from tracemill.trace import HEAVY_COLUMNS, LIGHT_COLUMNS

#: The template variable under which a prompt gets the trace view.
VIEW_VARIABLE = "trace_view"

#: The column that names a row's trace.
KEY_COLUMN = "trace_id"

#: What a ``<column>_status`` can say.
CellStatus = Literal["ok", "failed", "judge_failed", "skipped"]


class AgentTraceSeedSource(FileSystemSeedSource):
    """Traces of one format, one row a trace, never repeated.

    With ``store`` the rows come from a trace store that was written before; without one the files under ``path`` are
    read (and redacted) when the source is attached.
    """

    seed_type: Literal["agent-trace"] = "agent-trace"  # pyright: ignore[reportIncompatibleVariableOverride]
    format: str = Field(description="Trace format: a name that `recipe.py --list-formats` prints.")
    path: str = Field(description="Folder (or file) of traces.")
    file_pattern: str = Field(default="*", description="File name pattern; '*' leaves the choice to the format.")
    columns: list[str] = Field(
        default_factory=lambda: [*LIGHT_COLUMNS, *HEAVY_COLUMNS],
        description="Trace columns to carry; the default is all of them, a superset of Data Designer's own.",
    )
    store: str | None = Field(default=None, description="Folder of a trace store to serve instead of reading `path`.")
    pads: bool = Field(
        default=False,
        description="Where more records are asked for than there are traces: serve empty rows, which any "
        "`trace-expression` column of the config drops. False: an error.",
    )

    @model_validator(mode="after")
    def _check_columns(self) -> Self:
        known = {*LIGHT_COLUMNS, *HEAVY_COLUMNS}
        unknown = [name for name in self.columns if name not in known]
        if unknown:
            raise ValueError(f"unknown trace columns {unknown}; known are {sorted(known)}")
        if KEY_COLUMN not in self.columns:
            self.columns = [KEY_COLUMN, *self.columns]
        return self

    @property
    def runtime_path(self) -> str:
        """The folder that Data Designer checks: the parent, where ``path`` is a single file."""
        path = Path(self.path).expanduser()
        return str(path.parent if path.is_file() else path)


class _ModelCellFields(SingleColumnConfig):
    """Fields that both model column types share."""

    store: str | None = Field(
        default=None, description="Trace store that `trace_view` is built from; None: the seed source's."
    )
    view_chars: int | None = Field(
        default=None, ge=500, description="Budget of `trace_view` in characters; None: no view."
    )
    keep_view: bool = Field(default=False, description="Carry the view in the rows as column `trace_view`.")
    max_bad_outputs: int = Field(
        default=5, ge=1, description="Answers that don't fit the schema before the cell fails."
    )

    def list_side_effects(self) -> list[str]:
        """The columns written beside the main one."""
        view = [VIEW_VARIABLE] if self.view_chars is not None else []
        return [f"{self.name}_status", f"{self.name}_error", *view]


class TraceStructuredColumnConfig(_ModelCellFields, LLMStructuredColumnConfig):
    """A structured model column that keeps its row: on failure null, with `<name>_status` and `<name>_error`."""

    column_type: Literal["trace-structured"] = "trace-structured"  # pyright: ignore[reportIncompatibleVariableOverride]

    @property
    def required_columns(self) -> list[str]:
        return _require(super().required_columns)

    @property
    def side_effect_columns(self) -> list[str]:
        return self.list_side_effects()


class TraceJudgeColumnConfig(_ModelCellFields, LLMJudgeColumnConfig):
    """A judge column that keeps its row: a failed or incomplete verdict is null with status `judge_failed`."""

    column_type: Literal["trace-judge"] = "trace-judge"  # pyright: ignore[reportIncompatibleVariableOverride]

    @property
    def required_columns(self) -> list[str]:
        return _require(super().required_columns)

    @property
    def side_effect_columns(self) -> list[str]:
        return self.list_side_effects()


class TraceComputedColumnConfig(SingleColumnConfig):
    """A column computed from the whole trace and earlier columns, without a model.

    ``function`` names an entry of ``tracemill.columns.COMPUTED``.
    """

    column_type: Literal["trace-computed"] = "trace-computed"  # pyright: ignore[reportIncompatibleVariableOverride]
    function: str = Field(description="Name of a function in `tracemill.columns.COMPUTED`.")
    inputs: list[str] = Field(default_factory=list, description="Earlier columns that the function reads.")
    output_format: dict[str, Any] | None = Field(
        default=None, description="JSON schema of the column, where it is an object."
    )
    store: str | None = Field(
        default=None, description="Trace store that the trace is fetched from; None: the seed source's."
    )

    @staticmethod
    def get_column_emoji() -> str:
        return "="

    @property
    def required_columns(self) -> list[str]:
        return [KEY_COLUMN, *self.inputs]

    @property
    def side_effect_columns(self) -> list[str]:
        from tracemill.columns import get_computed

        return [name for name in get_computed(self.function).name_outputs(self.name) if name != self.name]


class TraceExpressionColumnConfig(ExpressionColumnConfig):
    """A Jinja2 expression (no braces) whose value is kept as it is: nulls stay null, lists stay lists.

    Data Designer's own expression column renders text: it drops a row whose value is null or empty.
    """

    column_type: Literal["trace-expression"] = "trace-expression"  # pyright: ignore[reportIncompatibleVariableOverride]
    dtype: Literal["int", "float", "str", "bool", "list"] = "str"  # pyright: ignore[reportIncompatibleVariableOverride]

    @property
    def required_columns(self) -> list[str]:
        from tracemill.plugin.templates import find_variables

        return find_variables("{{ " + self.expr + " }}")


def _require(columns: list[str]) -> list[str]:
    names = {name for name in columns if name != VIEW_VARIABLE}
    return sorted({*names, KEY_COLUMN})
