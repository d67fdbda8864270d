"""What one entry of MODELS says. Nothing here imports torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from terrazzo.models.base import SegmentationModel

    Network = Callable[..., SegmentationModel]


@dataclass(frozen=True)
class Architecture:
    """One architecture: what it is, and how to get at its code."""

    title: str
    """One line for a list of models."""

    paper: str
    """Authors, title, address."""

    year: int
    """Of the paper."""

    load: "Callable[[], Network]"
    """Imports the module and returns its class, whose keywords are the model's options."""

    encoder: str | None = None
    """The timm network it stands on unless another is asked for; None if it has its own."""

    encoder_options: Mapping[str, Any] = field(default_factory=dict)
    """For timm, unless the user says otherwise; for instance `output_stride`."""

    encoder_kind: Literal["pyramid", "plain"] = "pyramid"
    """A pyramid of feature maps (`Encoder`), or a plain vision transformer (`PlainViT`)."""
