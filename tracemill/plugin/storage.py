"""Batch files with one schema.

Data Designer writes each row group as pandas sees it: a column that is all null in one group has another type than in
the next, and whole numbers beside nulls become floats. Here the types come from the config, so that every batch file of
a run has the same Arrow schema and the same column order.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from data_designer.config.base import SingleColumnConfig
from data_designer.config.column_configs import LLMJudgeColumnConfig, LLMStructuredColumnConfig
from data_designer.engine.storage.artifact_storage import ArtifactStorage, BatchStage
from pydantic import PrivateAttr

from tracemill.columns import get_computed
from tracemill.ingest.store import build_light_schema
from tracemill.plugin.config import (
    VIEW_VARIABLE,
    AgentTraceSeedSource,
    TraceComputedColumnConfig,
    TraceExpressionColumnConfig,
)
from tracemill.plugin.context import get_context
from tracemill.plugin.governor import Stop

if TYPE_CHECKING:
    import pandas as pd

_DTYPES: Mapping[str, pa.DataType] = {
    "int": pa.int64(),
    "float": pa.float64(),
    "str": pa.string(),
    "bool": pa.bool_(),
    "list": pa.list_(pa.string()),
}


def build_schema(source: AgentTraceSeedSource, columns: Iterable[SingleColumnConfig]) -> pa.Schema:
    """The Arrow schema of a config's rows: seed columns, then every column with its side effects, in order."""
    light = build_light_schema()
    fields: list[pa.Field] = [
        light.field(name) if name in light.names else pa.field(name, pa.string()) for name in source.columns
    ]
    for config in columns:
        fields.extend(_list_fields(config))
    return pa.schema(fields)


def _list_fields(config: SingleColumnConfig) -> list[pa.Field]:
    name = config.name
    if isinstance(config, TraceExpressionColumnConfig):
        return [pa.field(name, _DTYPES[config.dtype])]
    if isinstance(config, TraceComputedColumnConfig):
        types = get_computed(config.function).name_outputs(name)
        return [
            pa.field(output, _read_schema(config.output_format) if kind == "object" else _DTYPES[kind])
            for output, kind in types.items()
        ]
    if isinstance(config, LLMJudgeColumnConfig):
        score = pa.struct([("reasoning", pa.string()), ("score", pa.int64())])
        main = pa.struct([(item.name, score) for item in config.scores])
    elif isinstance(config, LLMStructuredColumnConfig):
        main = _read_schema(config.output_format if isinstance(config.output_format, dict) else None)
    else:
        return []
    extra = [pa.field(column, pa.string()) for column in config.side_effect_columns if column != VIEW_VARIABLE]
    view = [pa.field(VIEW_VARIABLE, pa.string())] if getattr(config, "keep_view", False) else []
    return [pa.field(name, main), *extra, *view]


def _read_schema(schema: Mapping[str, Any] | None, definitions: Mapping[str, Any] | None = None) -> pa.DataType:
    """The Arrow type of a JSON schema; text where the schema says no more."""
    if schema is None:
        return pa.string()
    known = schema.get("$defs", definitions or {})
    if "$ref" in schema:
        return _read_schema(known[schema["$ref"].rsplit("/", 1)[-1]], known)
    for option in schema.get("anyOf", ()):
        if option.get("type") != "null":
            return _read_schema(option, known)
    match schema.get("type"):
        case "object" if "properties" in schema:
            return pa.struct([(name, _read_schema(item, known)) for name, item in schema["properties"].items()])
        case "array":
            return pa.list_(_read_schema(schema.get("items"), known))
        case "integer":
            return pa.int64()
        case "number":
            return pa.float64()
        case "boolean":
            return pa.bool_()
        case _:
            return pa.string()


class TypedStorage(ArtifactStorage):
    """Artifact storage whose batch files have the schema given by ``use_schema``.

    A batch that cannot be written stops the run: Data Designer alone would log it and lose its rows. The row group has
    no file then, so that a resumed run makes it again from the journal.
    """

    _schema: pa.Schema | None = PrivateAttr(default=None)

    def use_schema(self, schema: pa.Schema) -> None:
        self._schema = schema

    def fit_rows(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Rows as they would come back from a batch file."""
        return rows if self._schema is None else to_table(rows, self._schema).to_pylist()

    def write_parquet_file(
        self, parquet_file_name: str, dataframe: pd.DataFrame, batch_stage: BatchStage, subfolder: str | None = None
    ) -> Path:
        try:
            if self._schema is None:
                return super().write_parquet_file(parquet_file_name, dataframe, batch_stage, subfolder=subfolder)
            folder = self.mkdir_if_needed(self._get_stage_path(batch_stage) / (subfolder or ""))
            path = folder / parquet_file_name
            pq.write_table(to_table(dataframe.to_dict(orient="records"), self._schema), path, compression="zstd")
            return path
        except (OSError, pa.ArrowException) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            get_context().governor.request_stop(Stop("disk", f"cannot write {parquet_file_name}: {reason}"))
            raise

    def move_partial_result_to_final_file_path(self, batch_number: int) -> Path:
        source = self.create_batch_file_path(batch_number, batch_stage=BatchStage.PARTIAL_RESULT)
        target = self.create_batch_file_path(batch_number, batch_stage=BatchStage.FINAL_RESULT)
        try:
            self.mkdir_if_needed(target.parent)
            shutil.move(source, target)
        except OSError as error:
            get_context().governor.request_stop(Stop("disk", f"cannot write {target.name}: {error.strerror or error}"))
            raise
        return target


def to_table(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as a table of the schema: NaN becomes null, whole floats become integers where the schema says so."""
    cleaned = [{field.name: _fit(row.get(field.name), field.type) for field in schema} for row in rows]
    return pa.Table.from_pylist(cleaned, schema=schema)


def _fit(value: Any, kind: pa.DataType) -> Any:
    if isinstance(value, float):
        if value != value:
            return None
        if pa.types.is_integer(kind):
            return int(value)
    elif pa.types.is_list(kind) and hasattr(value, "tolist"):
        return value.tolist()
    return value
