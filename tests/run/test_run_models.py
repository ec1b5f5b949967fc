"""From flags to models: which endpoint is called under which name with which key."""

from __future__ import annotations

import pytest

from tracemill.run.models import build_model_configs, choose_models
from tracemill.run.options import parse_options

NVIDIA = "https://integrate.api.nvidia.com/v1"
CASES: dict[str, tuple[list[str], list[tuple[str, str, str, str | None]]]] = {
    "the default": ([], [("nvidia-super", "nvidia/nemotron-3-super-120b-a12b", NVIDIA, "NVIDIA_API_KEY")]),
    "another judge of the same provider": (
        ["--judge-model-alias", "nvidia-text"],
        [("nvidia-super", "nvidia/nemotron-3-super-120b-a12b", NVIDIA, "NVIDIA_API_KEY"),
         ("nvidia-text", "nvidia/nemotron-3.5-lightning-30b-a3b", NVIDIA, "NVIDIA_API_KEY")],
    ),
    "a preset at another endpoint, its judge at the preset's": (
        ["--provider", "nvidia", "--endpoint", "http://127.0.0.1:1/v1", "--judge-model-alias", "nvidia-text"],
        [("nvidia-super", "nvidia/nemotron-3-super-120b-a12b", "http://127.0.0.1:1/v1", "NVIDIA_API_KEY"),
         ("nvidia-text", "nvidia/nemotron-3.5-lightning-30b-a3b", NVIDIA, "NVIDIA_API_KEY")],
    ),
    "an own server, its judge too": (
        ["--endpoint", "http://127.0.0.1:1/v1/", "--model", "a", "--judge-model-alias", "b"],
        [("nvidia-super", "a", "http://127.0.0.1:1/v1", None), ("b", "b", "http://127.0.0.1:1/v1", None)],
    ),
    "an own server and a known judge": (
        ["--endpoint", "http://127.0.0.1:1/v1", "--model", "a", "--judge-model-alias", "anthropic-text"],
        [("nvidia-super", "a", "http://127.0.0.1:1/v1", None),
         ("anthropic-text", "claude-sonnet-4-5", "https://api.anthropic.com", "ANTHROPIC_API_KEY")],
    ),
    "ollama": (["--provider", "ollama", "--model", "x"],
               [("nvidia-super", "x", "http://localhost:11434/v1", None)]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_models_that_flags_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for variable in ("NVIDIA_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(variable, "a-key-of-the-test")
    flags, expected = CASES[name]
    options = parse_options("agent_rollout_distillation", ["--format", "codex", *flags])
    configs, providers = build_model_configs(choose_models(options), options)
    by_name = {provider.name: provider for provider in providers}
    found = [
        (config.alias, config.model, by_name[str(config.provider)].endpoint, by_name[str(config.provider)].api_key)
        for config in configs
    ]
    assert found == expected
    assert all(config.skip_health_check for config in configs)
    assert "a-key-of-the-test" not in repr((configs, providers))
