"""What a recipe's rows become: which column keeps a row, which says why not, which make the training example."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tracemill.run.recipe import Prompts, RecipeOptions

if TYPE_CHECKING:
    from data_designer.config.config_builder import DataDesignerConfigBuilder


@dataclass(frozen=True, slots=True)
class DatasetOutput:
    """The columns that finishing a run needs.

    ``keep_column`` is a bool, ``reason_column`` a reason code (``none`` for a kept row); ``prompt_column`` and
    ``response_column`` hold the two messages of a training example; ``score_columns`` are nullable integers from 0 to
    4; ``model_columns`` are the columns that cost a model call a row; ``sections`` name the columns that a preview
    shows, in order.
    """

    title: str
    keep_column: str
    reason_column: str
    prompt_column: str
    response_column: str
    score_columns: tuple[str, ...]
    model_columns: tuple[str, ...]
    sections: tuple[str, ...]


class RecipeModule(Protocol):
    """A module in ``recipes/``."""

    PROMPTS: Prompts
    OUTPUT: DatasetOutput
    build_config: Callable[[RecipeOptions], DataDesignerConfigBuilder]
