"""The model section of a recipe."""

from typing import Any

from pydantic import Field

from terrazzo.core.config import Config


class ModelConfig(Config):
    """Which network to train, and what it starts from."""

    kind: str = Field(default="unet-timm", description="Name of the architecture, one of MODELS.")
    num_classes: int | None = Field(
        default=None, ge=1, description="Taken from the labels; if given, it has to agree with them."
    )
    encoder: str | None = Field(
        default=None, description="timm network below it; leave out for the architecture's default."
    )
    pretrained: bool | str = Field(
        default=False,
        description="True for timm's weights of the encoder, or the path of a .safetensors file.",
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="Arguments of the architecture, for instance decoder_channels."
    )
