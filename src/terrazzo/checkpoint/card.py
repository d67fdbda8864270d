"""The card of a model folder, `model.json`: what is needed to rebuild the network and to read its output."""

import json
import math
from importlib.metadata import version
from typing import Any, Final

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from terrazzo.core.errors import CheckpointError, ConfigError, did_you_mean
from terrazzo.core.labels import LabelMap

FORMAT_VERSION: Final = 1
TERRAZZO_VERSION: Final = version("terrazzo")


class CardCalibration(BaseModel):
    """A temperature that makes the model's probabilities honest, and where that was found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(gt=0, allow_inf_nan=False)
    """What logits are divided by: above 1 the model was overconfident."""

    tta: str
    """Test-time augmentation that it was fitted with; it holds for no other."""

    members: str
    """How many networks were averaged when it was fitted; it holds for no other number."""

    fitted_on: str
    """The images it was fitted on, in words."""

    judged_on: str
    """The other images, which `before` and `after` are of, in words."""

    protocol: str
    """Fingerprint of the protocol: data, classes, void and method."""

    before: dict[str, float | None]
    """Calibration scores without the temperature."""

    after: dict[str, float | None]
    """The same scores with it."""


class Card(BaseModel):
    """What a model folder says about its model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = FORMAT_VERSION
    """Version of this file's layout."""

    architecture: str
    """Name in `MODELS`."""

    arguments: dict[str, Any]
    """Keyword arguments that rebuild the network through `build_model`."""

    num_classes: int = Field(ge=1)
    """K, void not counted."""

    in_channels: int = Field(ge=1)
    """C of the images it takes."""

    stride: int = Field(ge=1)
    """Image pixels per logit."""

    labels: dict[str, Any]
    """`LabelMap.to_json`: names, colours and raw ids in train-id order, and void."""

    mean: tuple[float, ...]
    """Per channel, in raw pixel units: what the network subtracts."""

    std: tuple[float, ...]
    """Per channel, in raw pixel units: what the network divides by."""

    channel_order: str
    """Meaning of the channels, first to last: `RGB` for three, else `as stored`."""

    scores: dict[str, Any] | None = None
    """What `terrazzo evaluate --json` writes, its protocol and interval included; None if never scored."""

    calibration: CardCalibration | None = None
    """A temperature for the probabilities; None if never fitted."""

    training: dict[str, Any] | None = None
    """How it came to be: recipe, steps, seconds, data; None if unknown."""

    terrazzo_version: str = TERRAZZO_VERSION
    """Version of this package that wrote the folder."""

    torch_version: str = str(torch.__version__)
    """Version of PyTorch that wrote the folder."""

    @property
    def label_map(self) -> LabelMap:
        """The labels as the object that encodes, decodes and paints."""
        return LabelMap.from_json(self.labels)

    def facts(self) -> dict[str, str]:
        """Return what a report says about the model, name -> value, in words."""
        encoder = self.arguments.get("encoder")
        steps = (self.training or {}).get("steps")
        facts = {
            "Architecture": self.architecture + (f" on {encoder}" if encoder else ""),
            "Input": f"{self.in_channels} channels ({self.channel_order}), raw pixel values",
            "Normalisation": self.normalisation,
            "Classes": str(self.num_classes),
            "Outputs left out as void": ", ".join(map(str, self.arguments.get("void_outputs", ()))),
            "Output stride": str(self.stride),
            "Probabilities": f"temperature {self.calibration.temperature:.4g}" if self.calibration else "",
            "Training": f"{steps} steps" if steps is not None else "",
            "Written by": f"Terrazzo {self.terrazzo_version}, PyTorch {self.torch_version}",
        }
        return {name: value for name, value in facts.items() if value}

    @property
    def normalisation(self) -> str:
        """What the network itself does to raw pixel values, in words."""
        mean, std = (", ".join(f"{value:.6g}" for value in values) for values in (self.mean, self.std))
        turned = ", then blue first" if self.arguments.get("bgr") else ""
        return f"minus ({mean}), over ({std}), in pixel units{turned}"

    def to_bytes(self) -> bytes:
        """Return the content of `model.json`; numbers that JSON lacks (NaN, infinity) become null."""
        plain = _finite(self.model_dump(mode="json"))
        return (json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()

    @classmethod
    def from_bytes(cls, content: bytes, *, source: str) -> "Card":
        """Read the content of a `model.json`.

        Args:
            content: the bytes of the file.
            source: the file's name, for the message.

        Raises:
            CheckpointError: it is not a card, a field is wrong, or a newer Terrazzo wrote it.
        """
        try:
            data = json.loads(content)
        except ValueError as error:
            raise CheckpointError(f"{source} is not readable as JSON: {error}.") from error
        if not isinstance(data, dict) or "format_version" not in data:
            raise CheckpointError(
                f"{source} is not a model card: expected a `format_version` and an architecture."
            )
        _refuse_newer(data, source)
        try:
            card = cls.model_validate(data)
            card._check_agreement()
        except ValidationError as error:
            raise CheckpointError(f"{source} is not a valid model card: {_first_problem(error)}") from error
        except (ConfigError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{source} is not a valid model card: {error}") from error
        return card

    def _check_agreement(self) -> None:
        """Refuse a card that contradicts itself."""
        if self.label_map.num_classes != self.num_classes:
            raise ConfigError(
                f"num_classes is {self.num_classes}, but there are {self.label_map.num_classes} labels."
            )
        if not len(self.mean) == len(self.std) == self.in_channels:
            raise ConfigError(
                f"in_channels is {self.in_channels}, but there are {len(self.mean)} means "
                f"and {len(self.std)} standard deviations."
            )


def _refuse_newer(data: dict[str, Any], source: str) -> None:
    version = data["format_version"]
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise CheckpointError(
            f"{source} has format version {version}, written by Terrazzo "
            f"{data.get('terrazzo_version', 'of unknown version')}; "
            f"this Terrazzo ({TERRAZZO_VERSION}) reads up to version {FORMAT_VERSION}. "
            "Upgrade with `pip install -U terrazzo`."
        )


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"unknown key {where!r}: {did_you_mean(where, Card.model_fields)}"
    return f"{where}: {problem['msg']}, given {problem['input']!r}."


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
