"""The `data` section of a recipe."""

from typing import Any, Literal

from pydantic import Field

from terrazzo.core.config import Config


class DataConfig(Config):
    """Which data a run trains and validates on."""

    kind: str = "scenes"
    """A dataset kind: `scenes` (built in, no files), `folder`, `camvid`, ..."""

    root: str | None = None
    """The folder the data lies in; none for `scenes`. Relative to the current folder."""

    cache: Literal["none", "memory", "disk", "disk-hashed"] | None = None
    """Where decoded samples are kept; none leaves it to `options`. Never changes the result."""

    resize: tuple[int, int] | float | None = None
    """(height, width) that all samples are brought to, or a factor. Scores are then at that size."""

    train_split: str = "train"
    validation_split: str = "val"
    options: dict[str, Any] = Field(default_factory=dict)
    """Passed on to the dataset, for instance `fractions` or `group_pattern` of `folder`."""
