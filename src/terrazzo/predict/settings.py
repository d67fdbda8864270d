"""How to predict, as plain values: what a command line is given, and what travels to another process.

settings -> each model: its backend, tiles around it, views around these -> members averaged -> predictor,
which post-processes the labels
"""

from dataclasses import dataclass
from typing import Literal

from terrazzo.core.errors import RequestError
from terrazzo.predict.backends.base import Backend
from terrazzo.predict.backends.torch_backend import TorchBackend
from terrazzo.predict.inference import Inference, WholeImage
from terrazzo.predict.members.dropout import monte_carlo
from terrazzo.predict.members.ensemble import ensemble_predictor
from terrazzo.predict.predictor import Predictor, load
from terrazzo.predict.tiles.auto import AutoTiled
from terrazzo.predict.tiles.tiled import Tiled
from terrazzo.predict.views.tta import with_tta

Tile = int | Literal["auto", "whole"]


@dataclass(frozen=True)
class PredictSettings:
    """Which models, and what is wrapped around them."""

    models: tuple[str, ...]
    """Model folders; several are averaged."""

    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, ..."""

    tile: Tile = "whole"
    """Side of a tile in pixels; `whole`: the image at once; `auto`: whole where that fits into memory."""

    overlap: int | None = None
    """Pixels that tiles share at least; a quarter of the tile by default."""

    tta: str = "none"
    """Test-time augmentation, as `hflip,scale=0.75:1.25`."""

    dropout: int = 0
    """Random passes with dropout active that are averaged; 0: one pass, without."""

    seed: int = 0
    """Of the random passes."""

    postprocess: str = "none"
    """What is done to the labels, as `drop-clusters=70;largest=Road`, or the path of a YAML file."""


def parse_tile(text: str) -> Tile:
    """Read `--tile`.

    Raises:
        RequestError: it is neither a number of pixels nor `auto` nor `whole`.
    """
    if text in ("auto", "whole"):
        return "auto" if text == "auto" else "whole"
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise RequestError(f"--tile is {text!r}; expected a number of pixels such as 512, auto, or whole.")


def build_predictor(settings: PredictSettings) -> Predictor:
    """Load the models and wrap them as the settings say.

    Raises:
        CheckpointError: a model folder is missing or damaged.
        RequestError: the settings do not fit the models or each other.
    """
    if settings.overlap is not None and isinstance(settings.tile, str):
        raise RequestError("An overlap is of tiles of a given size: give --tile a number of pixels too.")
    predictors = [_wrapped(load(folder, settings.device), settings) for folder in settings.models]
    predictor = predictors[0] if len(predictors) == 1 else ensemble_predictor(predictors)
    return predictor if settings.postprocess == "none" else predictor.with_postprocess(settings.postprocess)


def _wrapped(loaded: Predictor, settings: PredictSettings) -> Predictor:
    def around(backend: Backend) -> Inference:
        return with_tta(_tiled(WholeImage(backend), settings), settings.tta)

    model = loaded.model
    if settings.dropout:
        inference: Inference = monte_carlo(model, passes=settings.dropout, seed=settings.seed, wrap=around)
    else:
        inference = around(TorchBackend(model))
    return Predictor(model, loaded.labels, loaded.card, inference=inference)


def _tiled(inference: Inference, settings: PredictSettings) -> Inference:
    if settings.tile == "whole":
        return inference
    if settings.tile == "auto":
        return AutoTiled(inference)
    return Tiled(inference, settings.tile, settings.overlap)
