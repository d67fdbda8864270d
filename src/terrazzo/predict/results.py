"""What is written of one image: made in one go, then written file by file, each whole or not at all."""

import contextlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from terrazzo.core.errors import DataError, RequestError, TerrazzoError
from terrazzo.core.prediction import to_probabilities
from terrazzo.core.volume_files import is_volume, read_space, write_label_volume
from terrazzo.predict.confidence import Kind, confidence_map, write_confidence
from terrazzo.predict.predictor import Predictor
from terrazzo.predict.segment import Answer


@dataclass(frozen=True)
class PredictedFile:
    """Where the results of one image are; None where that result was not asked for."""

    image: Path
    """The file that was predicted."""

    mask: Path
    """PNG of raw label ids, at the image's own size; of a volume NIfTI, where the volume is in space."""

    overlay: Path | None = None
    """PNG of the image with its labels painted over it."""

    probabilities: Path | None = None
    """NPZ with `probabilities` (K, H, W) float16 and `names` (K)."""

    confidence: Path | None = None
    """Grey PNG of how sure the labels are; its text says what a value means."""

    @property
    def results(self) -> list[Path]:
        """The files there are."""
        return [path for path in (self.mask, self.overlay, self.probabilities, self.confidence) if path]

    def to_json(self) -> dict[str, str | None]:
        """Return plain strings."""
        return {key: None if path is None else str(path) for key, path in vars(self).items()}


@dataclass(frozen=True, eq=False)
class Results:
    """What is written of one image."""

    raw: NDArray[Any]
    """(H, W) raw label ids."""

    painted: Callable[[], NDArray[np.uint8]]
    """Makes the picture with its labels painted over it, (H, W, 3) RGB."""

    stored: Mapping[str, Any]
    """Arrays of the NPZ, by name."""

    confidence: NDArray[np.uint8] | None
    kind: Kind
    """Of the confidence map."""


def results_of(predictor: Predictor, item: PredictedFile, pixels: NDArray[Any], kind: Kind) -> Results:
    """Run the network once; all that takes PyTorch is done here, in one thread.

    Args:
        predictor: the model.
        item: which results are wanted.
        pixels: the image.
        kind: of the confidence map.

    Raises:
        DataError: this image cannot be predicted.
    """
    answer = _answer(predictor, pixels)
    stored: dict[str, Any] = {}
    if item.probabilities:
        shares_KHW = to_probabilities(answer.prediction)
        stored = {"probabilities": shares_KHW.astype(np.float16), "names": np.array(predictor.labels.names)}
    return Results(
        raw=predictor.labels.decode(answer.ids),
        painted=lambda: predictor.paint(pixels, answer.ids),
        stored=stored,
        confidence=confidence_map(answer.prediction, kind) if item.confidence else None,
        kind=kind,
    )


def write_results(item: PredictedFile, results: Results) -> None:
    """Write every result that was asked for, the mask last, each under its name only when it is whole.

    Raises:
        TerrazzoError: a result cannot be written.
    """
    from terrazzo.core.images import write_png

    if item.overlay:
        painted = results.painted()
        _write(item.overlay, lambda path: write_png(path, painted))
    if item.probabilities:
        _write(item.probabilities, lambda path: np.savez_compressed(path, **results.stored))
    sure = results.confidence
    if item.confidence and sure is not None:
        _write(item.confidence, lambda path: write_confidence(path, sure, results.kind))
    if is_volume(item.mask):
        space = read_space(item.image)
        _write(item.mask, lambda path: write_label_volume(path, results.raw, space))
    else:
        _write(item.mask, lambda path: write_png(path, results.raw))


def _answer(predictor: Predictor, pixels: NDArray[Any]) -> Answer:
    """Run the network; what is wrong with this one image must not stop the others."""
    try:
        return predictor.answer(pixels)
    except RequestError as error:  # for instance that it is smaller than the network takes
        raise DataError(str(error)) from error
    except (torch.OutOfMemoryError, MemoryError) as error:
        size = " x ".join(map(str, pixels.shape[: predictor.model.sides]))
        raise DataError(f"{size} pixels are too many for the memory here: {error}") from error


def _write(target: Path, save: Callable[[Path], None]) -> None:
    """Write under a temporary name beside the target, then rename: a reader never sees half a file."""
    ending = ".nii.gz" if is_volume(target) else target.suffix
    temporary = target.with_name(f".{target.name.removesuffix(ending)}.new-{secrets.token_hex(4)}{ending}")
    try:
        save(temporary)
        temporary.replace(target)
    except (OSError, TerrazzoError) as error:
        raise cannot_write(target, error.__cause__ or error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def cannot_write(path: Path, error: BaseException) -> TerrazzoError:
    """Return the error that says why a result is not there."""
    return TerrazzoError(
        f"{path} cannot be written: {getattr(error, 'strerror', None) or error}. "
        "Free some space there, or choose another folder that you may write to. "
        "Results written so far are whole."
    )
