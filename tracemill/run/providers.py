"""Which endpoint and model a run calls: presets, aliases, and keys from the environment.

The presets' addresses are those that the providers document; the aliases ``nvidia-…`` are Data Designer's own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tracemill.errors import ConfigError

if TYPE_CHECKING:
    from data_designer.config.models import ModelConfig, ModelProvider


@dataclass(frozen=True, slots=True)
class Preset:
    """A provider: its endpoint, wire format, and the environment variable that holds its key (None: needs none)."""

    name: str
    endpoint: str
    key_variable: str | None
    wire: Literal["openai", "anthropic"] = "openai"


PRESETS: tuple[Preset, ...] = (
    Preset("nvidia", "https://integrate.api.nvidia.com/v1", "NVIDIA_API_KEY"),
    Preset("openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    Preset("anthropic", "https://api.anthropic.com", "ANTHROPIC_API_KEY", "anthropic"),
    Preset("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    Preset("ollama", "http://localhost:11434/v1", None),
    Preset("vllm", "http://localhost:8000/v1", None),
)

#: The key of an endpoint given by ``--endpoint`` without ``--provider``; may be unset for a server without keys.
CUSTOM_KEY_VARIABLE = "TRACEMILL_API_KEY"

#: alias -> (preset, model)
ALIASES: Mapping[str, tuple[str, str]] = {
    "nvidia-super": ("nvidia", "nvidia/nemotron-3-super-120b-a12b"),
    "nvidia-text": ("nvidia", "nvidia/nemotron-3.5-lightning-30b-a3b"),
    "openai-text": ("openai", "gpt-5.1"),
    "anthropic-text": ("anthropic", "claude-sonnet-4-5"),
    "openrouter-text": ("openrouter", "nvidia/nemotron-3-nano-30b-a3b"),
}


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """One model of a run. ``key_variable`` names the environment variable; the key itself is never stored."""

    alias: str
    provider: str
    endpoint: str
    wire: Literal["openai", "anthropic"]
    model: str
    key_variable: str | None

    @property
    def has_key(self) -> bool:
        return self.key_variable is None or bool(os.environ.get(self.key_variable))


def choose_model(alias: str, provider: str | None, model: str | None, endpoint: str | None) -> ModelChoice:
    """What to call under an alias. ``--model``, ``--provider`` and ``--endpoint`` override what the alias names.

    Raises:
        ConfigError: an unknown alias or provider, or an endpoint without a model.
    """
    preset_name, alias_model = ALIASES.get(alias, (None, None))
    if provider is None and endpoint is None and preset_name is None:
        raise ConfigError(
            f"--model-alias {alias}: unknown; known are {', '.join(ALIASES)} (or give --provider and --model)"
        )
    if endpoint is not None and provider is None:
        if model is None:
            raise ConfigError("--endpoint needs --model: the name under which the server knows its model")
        key = CUSTOM_KEY_VARIABLE if os.environ.get(CUSTOM_KEY_VARIABLE) else None
        return ModelChoice(alias, "custom", _check_url(endpoint), "openai", model, key)
    preset = _find_preset(provider or str(preset_name))
    chosen = model or (alias_model if preset.name == preset_name else None)
    if chosen is None:
        raise ConfigError(f"--provider {preset.name} needs --model: the name of a model there")
    url = _check_url(endpoint) if endpoint is not None else preset.endpoint
    return ModelChoice(alias, preset.name, url, preset.wire, chosen, preset.key_variable)


def explain_missing_key(choice: ModelChoice) -> str:
    """One line: no key, and the three ways out."""
    return (
        f"no key for provider {choice.provider}: set {choice.key_variable} in the environment, "
        "or name your own server with --endpoint URL --model NAME, or run without a model with --offline"
    )


def build_configs(
    choices: list[ModelChoice], *, max_parallel_requests: int, timeout_s: int
) -> tuple[list[ModelConfig], list[ModelProvider]]:
    """Data Designer's configs for the chosen models. Keys are named by environment variable."""
    from data_designer.config.models import ChatCompletionInferenceParams, ModelConfig, ModelProvider

    names = _name_providers(choices)
    configs = [
        ModelConfig(
            alias=choice.alias,
            model=choice.model,
            provider=names[choice.provider, choice.endpoint],
            skip_health_check=True,
            inference_parameters=ChatCompletionInferenceParams(
                max_parallel_requests=max_parallel_requests, timeout=timeout_s
            ),
        )
        for choice in choices
    ]
    providers = {
        name: ModelProvider(name=name, endpoint=choice.endpoint, provider_type=choice.wire, api_key=choice.key_variable)
        for choice in choices
        for name in [names[choice.provider, choice.endpoint]]
    }
    return configs, list(providers.values())


def _name_providers(choices: list[ModelChoice]) -> dict[tuple[str, str], str]:
    """A name for each provider and endpoint: one preset can be called at its own endpoint and at another."""
    names: dict[tuple[str, str], str] = {}
    for choice in choices:
        taken = choice.provider in names.values()
        names.setdefault(
            (choice.provider, choice.endpoint), f"{choice.provider}-{choice.alias}" if taken else choice.provider
        )
    return names


def _find_preset(name: str) -> Preset:
    for preset in PRESETS:
        if preset.name == name:
            return preset
    raise ConfigError(f"--provider {name}: unknown; known are {', '.join(preset.name for preset in PRESETS)}")


def _check_url(endpoint: str) -> str:
    if not endpoint.startswith(("http://", "https://")):
        raise ConfigError(f"--endpoint {endpoint}: not a URL; it looks like http://localhost:8000/v1")
    return endpoint.rstrip("/")
