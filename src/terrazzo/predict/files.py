"""Predict many files: each output appears whole or not at all, and one bad image does not lose the others."""

import contextlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from terrazzo.core.errors import DataError, RequestError, TerrazzoError
from terrazzo.predict.predictor import Predictor, read_pixels
from terrazzo.predict.segment import to_ids, to_probabilities

if TYPE_CHECKING:
    from terrazzo.core.prediction import Prediction

AnyPath = str | PathLike[str]
Progress = Callable[[int, int], None]
"""Called with (files done, files in all)."""


def predict_files(
    predictor: Predictor,
    inputs: AnyPath | Sequence[AnyPath],
    out: AnyPath,
    *,
    overlay: bool = False,
    probabilities: bool = False,
    progress: Progress | None = None,
) -> list[Path]:
    """Write the labels of images as PNG files of raw ids, `STEM.png`.

    Stopped at any instant, the files that are there are whole.

    Args:
        predictor: the model.
        inputs: image files, and folders that are searched for images (sub-folders too, `out` left out).
        out: folder for the results; made if absent.
        overlay: also write `STEM_overlay.png`, the image with its labels painted over it.
        probabilities: also write `STEM_probabilities.npz`: `probabilities` (K, H, W) float16 and `names` (K).
        progress: called after each image.

    Returns:
        The files written, in order.

    Raises:
        RequestError: before any work: no image found, a missing input, or two results of the same name.
        DataError: after all other images are done: those that could not be read or predicted, and why.
        TerrazzoError: a result cannot be written; nothing more is tried.
    """
    out = Path(out)
    images = find_images([inputs] if isinstance(inputs, str | PathLike) else inputs, out)
    plan = _plan(images, out, overlay=overlay, probabilities=probabilities)
    _make_folder(out)
    written: list[Path] = []
    failures: list[str] = []
    for done, (image, targets) in enumerate(zip(images, plan, strict=True), start=1):
        try:
            written += _predict_one(predictor, image, targets)
        except DataError as error:
            failures.append(str(error) if str(image) in str(error) else f"{image}: {error}")
        if progress:
            progress(done, len(images))
    if failures:
        raise DataError(_report(failures, len(images), out))
    return written


def find_images(inputs: Iterable[AnyPath], out: Path) -> list[Path]:
    """Return the image files that inputs mean, in the order given, those of a folder sorted, none twice.

    Raises:
        RequestError: an input does not exist, or there is no image at all.
    """
    from terrazzo.core.images import IMAGE_SUFFIXES

    places = [Path(given) for given in inputs]
    found: dict[Path, Path] = {}
    for given in places:
        if not given.exists():
            raise RequestError(
                f"There is no file or folder {given}. Give image files, or a folder that holds some."
            )
        for path in _images_below(given, out, IMAGE_SUFFIXES) if given.is_dir() else [given]:
            found.setdefault(path.resolve(), path)
    if not found:
        raise RequestError(
            f"No images in {', '.join(map(str, places)) or 'nothing'}: looked for files that end in "
            f"{', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    return list(found.values())


def _images_below(folder: Path, out: Path, suffixes: Iterable[str]) -> list[Path]:
    """Search a folder; hidden files (`._photo.jpg` of other systems) and earlier results are left alone."""
    known, results = set(suffixes), out.resolve()
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in known
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and (folder.resolve() == results or not path.resolve().is_relative_to(results))
        and path.is_file()
    )


@dataclass(frozen=True)
class _Targets:
    """Where the results of one image go; None where that result was not asked for."""

    mask: Path
    overlay: Path | None
    probabilities: Path | None

    def __iter__(self) -> Iterator[Path]:
        return (path for path in (self.mask, self.overlay, self.probabilities) if path)


def _plan(images: Sequence[Path], out: Path, *, overlay: bool, probabilities: bool) -> list[_Targets]:
    """Decide every output before any work, and refuse what would overwrite a result or an input."""
    owners: dict[str, Path] = {}  # by lower-case name: some file systems do not tell them apart
    sources = {path.resolve() for path in images}
    plan = []
    for image in images:
        targets = _Targets(
            mask=out / f"{image.stem}.png",
            overlay=out / f"{image.stem}_overlay.png" if overlay else None,
            probabilities=out / f"{image.stem}_probabilities.npz" if probabilities else None,
        )
        for target in targets:
            _refuse_collision(owners.setdefault(target.name.lower(), image), image, target, sources)
        plan.append(targets)
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


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(out, error) from error


def _predict_one(predictor: Predictor, image: Path, targets: _Targets) -> list[Path]:
    """Run the network once, then write every result that was asked for."""
    from terrazzo.core.images import write_png

    pixels = read_pixels(image)
    try:
        prediction = predictor.infer(pixels)
        ids = to_ids(prediction)
    except RequestError as error:  # of this image, for instance that it is too small
        raise DataError(str(error)) from error
    except (torch.OutOfMemoryError, MemoryError) as error:
        height, width = pixels.shape[:2]
        raise DataError(f"{height} x {width} pixels are too many for the memory here: {error}") from error
    _write(targets.mask, lambda path: write_png(path, predictor.labels.decode(ids)))
    if targets.overlay:
        painted = predictor.paint(pixels, ids)
        _write(targets.overlay, lambda path: write_png(path, painted))
    if targets.probabilities:
        _write_probabilities(targets.probabilities, predictor, prediction)
    return list(targets)


def _write_probabilities(target: Path, predictor: Predictor, prediction: "Prediction") -> None:
    shares_KHW = to_probabilities(prediction).astype(np.float16)
    names_K = np.array(predictor.labels.names)
    _write(target, lambda path: np.savez_compressed(path, probabilities=shares_KHW, names=names_K))


def _write(target: Path, save: Callable[[Path], None]) -> None:
    """Write under a temporary name beside the target, then rename: a reader never sees half a file."""
    temporary = target.with_name(f".{target.stem}.new-{secrets.token_hex(4)}{target.suffix}")
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


def _report(failures: Sequence[str], count: int, out: Path) -> str:
    done = count - len(failures)
    lines = "".join(f"\n  {failure}" for failure in failures)
    return (
        f"{len(failures)} of {count} images could not be predicted; "
        f"the results of the other {done} are in {out}:{lines}"
    )
