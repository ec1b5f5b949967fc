"""The plugins that tracemill registers under the entry point group ``data_designer.plugins``."""

from __future__ import annotations

from data_designer.plugins import Plugin, PluginType


def _declare(config: str, implementation: str, kind: PluginType) -> Plugin:
    return Plugin(
        config_qualified_name=f"tracemill.plugin.config.{config}",
        impl_qualified_name=f"tracemill.plugin.{implementation}",
        plugin_type=kind,
    )


seed_source = _declare("AgentTraceSeedSource", "seed_reader.AgentTraceSeedReader", PluginType.SEED_READER)
structured_column = _declare(
    "TraceStructuredColumnConfig", "cells.TraceStructuredGenerator", PluginType.COLUMN_GENERATOR
)
judge_column = _declare("TraceJudgeColumnConfig", "cells.TraceJudgeGenerator", PluginType.COLUMN_GENERATOR)
computed_column = _declare("TraceComputedColumnConfig", "rows.TraceComputedGenerator", PluginType.COLUMN_GENERATOR)
expression_column = _declare(
    "TraceExpressionColumnConfig", "rows.TraceExpressionGenerator", PluginType.COLUMN_GENERATOR
)
