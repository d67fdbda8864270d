"""Predict many files: each output appears whole or not at all, and one bad image does not lose the others."""

import contextlib
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from terrazzo.core.errors import DataError, RequestError, TerrazzoError
from terrazzo.core.prediction import to_probabilities
from terrazzo.core.volume_files import VOLUME_SUFFIXES, is_volume, read_space, volume_stem, write_label_volume
from terrazzo.predict.confidence import Kind, confidence_map, write_confidence
from terrazzo.predict.predictor import Predictor, read_pixels
from terrazzo.predict.segment import Answer

if TYPE_CHECKING:
    from terrazzo.core.prediction import Prediction

AnyPath = str | PathLike[str]
Progress = Callable[[int, int], None]
"""Called with (files done, files in all)."""


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


def predict_files(
    predictor: Predictor,
    inputs: AnyPath | Sequence[AnyPath],
    out: AnyPath,
    *,
    overlay: bool = False,
    probabilities: bool = False,
    confidence: Kind | None = None,
    progress: Progress | None = None,
) -> list[PredictedFile]:
    """Write the labels of images as PNG files of raw ids, `STEM.png`; of volumes `STEM.nii.gz`.

    Stopped at any instant, the files that are there are whole.

    Args:
        predictor: the model.
        inputs: image files, and folders that are searched for images (sub-folders too, `out` left out).
        out: folder for the results; made if absent.
        overlay: also write `STEM_overlay.png`, the image with its labels painted over it; not of volumes.
        probabilities: also write `STEM_probabilities.npz`: `probabilities` (K, H, W) float16 and `names` (K).
        confidence: also write `STEM_confidence.png`, by "max" or "entropy"; not of volumes.
        progress: called after each image.

    Returns:
        What was written for each image, in order.

    Raises:
        RequestError: before any work: two results of one name, a result that would overwrite an input, or
            overlays of volumes.
        DataError: no image found; or, after all others are done, those that could not be predicted and why.
        TerrazzoError: a result cannot be written; nothing more is tried.
    """
    out = Path(out)
    volumes = predictor.model.sides == 3
    if volumes and (overlay or confidence):
        what = "Overlays" if overlay else "Confidence maps"
        left = "overlay" if overlay else "confidence"
        raise RequestError(f"{what} are pictures of images; this model takes volumes. Leave {left} out.")
    images = find_images([inputs] if isinstance(inputs, str | PathLike) else inputs, out, volumes=volumes)
    plan = plan_files(images, out, overlay=overlay, probabilities=probabilities, confidence=bool(confidence))
    make_folder(out)
    written: list[PredictedFile] = []
    failures: list[str] = []
    for done, item in enumerate(plan, start=1):
        try:
            predict_one(predictor, item, confidence or "max")
            written.append(item)
        except DataError as error:
            failures.append(str(error) if str(item.image) in str(error) else f"{item.image}: {error}")
        if progress:
            progress(done, len(images))
    if failures:
        raise DataError(report_failures(failures, len(images), out))
    return written


def find_images(inputs: Iterable[AnyPath], out: Path, *, volumes: bool = False) -> list[Path]:
    """Return the image files that inputs mean, in the order given, those of a folder sorted, none twice.

    Args:
        inputs: files, and folders that are searched.
        out: the folder of the results, which is left out of the search.
        volumes: search folders for volumes instead of images.

    Raises:
        DataError: an input does not exist, or there is no image at all.
    """
    from terrazzo.core.images import IMAGE_SUFFIXES

    wanted = VOLUME_SUFFIXES if volumes else IMAGE_SUFFIXES
    places = [Path(given) for given in inputs]
    found: dict[Path, Path] = {}
    for given in places:
        if not given.exists():
            raise DataError(
                f"There is no file or folder {given}. Give image files, or a folder that holds some."
            )
        for path in _images_below(given, out, wanted) if given.is_dir() else [given]:
            found.setdefault(path.resolve(), path)
    if not found:
        raise DataError(
            f"No images in {', '.join(map(str, places)) or 'nothing'}: looked for files that end in "
            f"{', '.join(sorted(wanted))}."
        )
    return list(found.values())


def _images_below(folder: Path, out: Path, suffixes: Sequence[str]) -> list[Path]:
    """Search a folder; hidden files (`._photo.jpg` of other systems) and earlier results are left alone."""
    known, results = tuple(suffixes), out.resolve()
    return sorted(
        path
        for path in folder.rglob("*")
        if path.name.lower().endswith(known)
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and (folder.resolve() == results or not path.resolve().is_relative_to(results))
        and path.is_file()
    )


def plan_files(
    images: Sequence[Path],
    out: Path,
    *,
    overlay: bool = False,
    probabilities: bool = False,
    confidence: bool = False,
) -> list[PredictedFile]:
    """Decide every output before any work, and refuse what would overwrite a result or an input.

    Raises:
        RequestError: two results of one name, or a result that would overwrite an input.
    """
    owners: dict[str, Path] = {}  # by lower-case name: some file systems do not tell them apart
    sources = {path.resolve() for path in images}
    plan = []
    for image in images:
        volume = is_volume(image)
        stem = volume_stem(image) if volume else image.stem
        item = PredictedFile(
            image,
            mask=out / (f"{stem}.nii.gz" if volume else f"{stem}.png"),
            overlay=out / f"{stem}_overlay.png" if overlay else None,
            probabilities=out / f"{stem}_probabilities.npz" if probabilities else None,
            confidence=out / f"{stem}_confidence.png" if confidence else None,
        )
        for target in item.results:
            _refuse_collision(owners.setdefault(target.name.lower(), image), image, target, sources)
        plan.append(item)
    return plan


def _refuse_collision(owner: Path, image: Path, target: Path, sources: set[Path]) -> None:
    if owner != image:
        raise RequestError(
            f"{owner} and {image} would both be written to {target}. "
            "Rename one of them, or predict them into two folders."
        )
    if target.resolve() in sources:
        raise RequestError(
            f"{target} is one of the input images and would be overwritten. "
            "Choose another folder for the results."
        )


def make_folder(out: Path) -> None:
    """Make the folder of the results.

    Raises:
        TerrazzoError: it cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(out, error) from error


def predict_one(predictor: Predictor, item: PredictedFile, kind: Kind = "max") -> tuple[int, ...]:
    """Run the network once, then write every result that was asked for; return the size (H, W).

    Raises:
        DataError: this image cannot be predicted.
        TerrazzoError: a result cannot be written.
    """
    from terrazzo.core.images import write_png

    pixels = read_pixels(item.image)
    answer = _answer(predictor, pixels)
    ids = answer.ids
    if item.overlay:
        painted = predictor.paint(pixels, ids)
        _write(item.overlay, lambda path: write_png(path, painted))
    if item.probabilities:
        _write_probabilities(item.probabilities, predictor, answer.prediction)
    if item.confidence:
        sure = confidence_map(answer.prediction, kind)
        _write(item.confidence, lambda path: write_confidence(path, sure, kind))
    raw = predictor.labels.decode(ids)
    if is_volume(item.mask):
        space = read_space(item.image)
        _write(item.mask, lambda path: write_label_volume(path, raw, space))
    else:
        _write(item.mask, lambda path: write_png(path, raw))
    return raw.shape


def _answer(predictor: Predictor, pixels: NDArray[Any]) -> Answer:
    """Run the network; what is wrong with this one image must not stop the others."""
    try:
        return predictor.answer(pixels)
    except RequestError as error:  # for instance that it is smaller than the network takes
        raise DataError(str(error)) from error
    except (torch.OutOfMemoryError, MemoryError) as error:
        size = " x ".join(map(str, pixels.shape[: predictor.model.sides]))
        raise DataError(f"{size} pixels are too many for the memory here: {error}") from error


def _write_probabilities(target: Path, predictor: Predictor, prediction: "Prediction") -> None:
    shares_KHW = to_probabilities(prediction).astype(np.float16)
    names_K = np.array(predictor.labels.names)
    _write(target, lambda path: np.savez_compressed(path, probabilities=shares_KHW, names=names_K))


def _write(target: Path, save: Callable[[Path], None]) -> None:
    """Write under a temporary name beside the target, then rename: a reader never sees half a file."""
    ending = ".nii.gz" if is_volume(target) else target.suffix
    temporary = target.with_name(f".{target.name.removesuffix(ending)}.new-{secrets.token_hex(4)}{ending}")
    try:
        save(temporary)
        temporary.replace(target)
    except (OSError, TerrazzoError) as error:
        raise _cannot_write(target, error.__cause__ or error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _cannot_write(path: Path, error: BaseException) -> TerrazzoError:
    return TerrazzoError(
        f"{path} cannot be written: {getattr(error, 'strerror', None) or error}. "
        "Free some space there, or choose another folder that you may write to. "
        "Results written so far are whole."
    )


def report_failures(failures: Sequence[str], count: int, out: Path) -> str:
    """Say how many of the images could not be predicted, and each reason on a line of its own."""
    done = count - len(failures)
    lines = "".join(f"\n  {failure}" for failure in failures)
    return (
        f"{len(failures)} of {count} images could not be predicted; "
        f"the results of the other {done} are in {out}:{lines}"
    )
