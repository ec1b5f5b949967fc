"""The distillation of ``recipes/agent_rollout_distillation.py``, written the plain way on Data Designer.

Data Designer's own seed source, a prompt of the first and last four messages and the final answer, the same three
model columns in their native types (same schemas, same dimensions, same prompts for record and judge), one native
expression column for each flat column. It has no ``unsupported_references``: nothing native computes it.

It gets its best honest chance: the native Jinja mode (the faster of the two), no telemetry, no metrics port, no
health check, early shutdown off, our plugins not loaded, and no tokenizer: the address that it would be fetched from
refuses the connection at once (profiling then leaves token counts out, which saves it about 8 ms a row).

    python benchmarks/plain_way.py --trace-dir DIR --num-records 100 --endpoint http://127.0.0.1:PORT/v1
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

if TYPE_CHECKING:
    from data_designer.config.config_builder import DataDesignerConfigBuilder

ALIAS = "writer"

DIGEST_SYSTEM = (
    "You turn recorded sessions of coding agents into training data. Say what the work was about in your own words; "
    "do not copy code or logs. Where the session is a sub-agent's, describe the subtask that it was given."
)

DIGEST_PROMPT = """\
Write a short digest of the agent session in this row.

Session {{ trace_id }} of {{ source_kind }}; root {{ root_session_id }}; agent {{ agent_id }}
Sidechain: {{ is_sidechain }}
Project: {{ project_path }}; directory: {{ cwd }}; branch: {{ git_branch }}
Messages: {{ message_count }}; tool calls: {{ tool_call_count }}
Source: {{ source_meta }}

First messages:
{{ messages[:4] }}

Last messages:
{{ messages[-4:] }}

Final answer:
{{ final_assistant_message }}

Name the real task, its context, the actions that mattered and the outcome. Training value is high only where the
session teaches something that carries over, and low for bookkeeping or filler.
"""


def build_config(trace_dir: str, trace_format: str, max_parallel_requests: int) -> DataDesignerConfigBuilder:
    """The dataset, top to bottom."""
    import data_designer.config as dd

    from recipes.agent_rollout_distillation import DIMENSIONS, PROMPTS
    from schemas.agent_rollout_distillation import SftRecord, TraceDigest

    parameters = dd.ChatCompletionInferenceParams(max_parallel_requests=max_parallel_requests, timeout=120)
    model = dd.ModelConfig(
        alias=ALIAS, model="test-model", provider="local", skip_health_check=True, inference_parameters=parameters
    )
    builder = dd.DataDesignerConfigBuilder(model_configs=[model])
    builder.with_seed_dataset(
        dd.AgentRolloutSeedSource(format=dd.AgentRolloutFormat(trace_format), path=trace_dir, recursive=True)
    )
    record_system, record_user = PROMPTS.get("sft_record.system"), PROMPTS.get("sft_record.user")
    written = (("trace_digest", TraceDigest, DIGEST_SYSTEM, DIGEST_PROMPT),
               ("sft_record", SftRecord, record_system, record_user))  # fmt: skip
    for name, schema, system, prompt in written:
        builder.add_column(
            dd.LLMStructuredColumnConfig(
                name=name, model_alias=ALIAS, output_format=schema, system_prompt=system, prompt=prompt
            )
        )
    builder.add_column(
        dd.LLMJudgeColumnConfig(
            name="sft_quality_judge_result",
            model_alias=ALIAS,
            system_prompt=PROMPTS.get("sft_quality_judge_result.system"),
            prompt=PROMPTS.get("sft_quality_judge_result.user"),
            scores=[
                dd.Score(name=name, description=question, options={**options})
                for name, (question, options) in DIMENSIONS.items()
            ],
        )
    )
    for name, expression, dtype in list_expressions(list(DIMENSIONS)):
        builder.add_column(dd.ExpressionColumnConfig(name=name, expr=expression, dtype=dtype))
    return builder


def list_expressions(dimensions: list[str], min_score: int = 4) -> list[tuple[str, str, str]]:
    """Name, template and type of the flat columns."""
    judged = "sft_quality_judge_result"
    reason = "".join(f"{{% elif {name}_score < {min_score} %}}{name}_below_{min_score}" for name in dimensions)
    rules = f"{{% if trace_training_value != 'high' %}}training_value_{{{{ trace_training_value }}}}{reason}"
    return [
        ("sft_instruction", "{{ sft_record.instruction }}", "str"),
        ("sft_response", "{{ sft_record.response }}", "str"),
        ("sft_skill_tags", "{{ sft_record.skill_tags }}", "str"),
        *((f"{name}_score", f"{{{{ {judged}.{name}.score }}}}", "int") for name in dimensions),
        ("trace_training_value", "{{ trace_digest.training_value }}", "str"),
        ("not_recommended_reason", f"{rules}{{% else %}}none{{% endif %}}", "str"),
        ("recommended_for_sft", "{{ not_recommended_reason == 'none' }}", "bool"),
        ("judge_kind", "{{ 'model' if sft_quality_judge_result else 'none' }}", "str"),
    ]


def prepare_environment(scratch: Path) -> None:
    """Settings that Data Designer reads when it is imported; nothing is written to the home folder."""
    os.environ.update(
        NEMO_TELEMETRY_ENABLED="false",
        DISABLE_DATA_DESIGNER_PLUGINS="true",
        DATA_DESIGNER_HOME=str(scratch / "data-designer-home"),
        DATA_DESIGNER_MANAGED_ASSETS_PATH=str(scratch / "data-designer-home" / "managed-assets"),
        TIKTOKEN_CACHE_DIR=str(scratch / "no-tokenizer"),
        HTTPS_PROXY="http://127.0.0.1:9",  # nothing listens there
        https_proxy="http://127.0.0.1:9",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the distillation the plain way.")
    parser.add_argument("--trace-dir", required=True)
    parser.add_argument("--format", default="codex")
    parser.add_argument("--num-records", type=int, required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--max-parallel-requests", type=int, default=4)
    parser.add_argument("--artifact-path", type=Path, default=Path("artifacts"))
    parser.add_argument("--buffer-size", type=int, default=1000, help="rows of a row group (Data Designer's default)")
    options = parser.parse_args()
    prepare_environment(options.artifact_path)
    import data_designer.config as dd
    from data_designer.interface import DataDesigner

    provider = dd.ModelProvider(name="local", endpoint=options.endpoint, provider_type="openai")
    designer = DataDesigner(
        artifact_path=options.artifact_path.resolve(), model_providers=[provider], auto_configure_logging=False
    )
    designer.set_run_config(
        dd.RunConfig(
            buffer_size=options.buffer_size,
            disable_early_shutdown=True,
            otel_metrics_port=None,
            jinja_rendering_engine=dd.JinjaRenderingEngine.NATIVE,
        )
    )
    config = build_config(options.trace_dir, options.format, options.max_parallel_requests)
    designer.create(config, num_records=options.num_records, dataset_name="plain")


if __name__ == "__main__":
    main()
