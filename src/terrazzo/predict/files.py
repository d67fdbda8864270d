"""Predict many files: each output appears whole or not at all, and one bad image does not lose the others."""

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path

from terrazzo.core.errors import DataError, RequestError
from terrazzo.core.memory import freed_memory_kept
from terrazzo.core.volume_files import is_volume, volume_stem
from terrazzo.predict.confidence import Kind
from terrazzo.predict.pipeline import Stages
from terrazzo.predict.predictor import Predictor, read_pixels
from terrazzo.predict.results import PredictedFile, cannot_write, results_of, write_results
from terrazzo.predict.sources import AnyPath, find_images
from terrazzo.predict.tiles.foretell import foretell

__all__ = [
    "PredictedFile",
    "Progress",
    "make_folder",
    "plan_files",
    "predict_files",
    "predict_one",
    "report_failures",
    "takes_volumes",
]

Progress = Callable[[int, int], None]
"""Called with (files done, files in all)."""


def predict_files(
    predictor: Predictor,
    inputs: AnyPath | Sequence[AnyPath],
    out: AnyPath,
    *,
    overlay: bool = False,
    probabilities: bool = False,
    confidence: Kind | None = None,
    progress: Progress | None = None,
    announce: Callable[[str], None] | None = None,
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
        announce: told in one sentence, before the work, what memory the largest image takes.

    Returns:
        What was written for each image, in order.

    Raises:
        RequestError: before any work: two results of one name, a result that would overwrite an input, or
            overlays of volumes.
        DataError: no image found; or, after all others are done, those that could not be predicted and why.
        TerrazzoError: a result cannot be written; nothing more is tried.
    """
    out = Path(out)
    volumes = takes_volumes(predictor, overlay=overlay, confidence=confidence)
    images = find_images([inputs] if isinstance(inputs, str | PathLike) else inputs, out, volumes=volumes)
    plan = plan_files(images, out, overlay=overlay, probabilities=probabilities, confidence=bool(confidence))
    make_folder(out)
    if announce and (sentence := foretell(predictor.inference, images)):
        announce(sentence)
    written: list[PredictedFile] = []
    failures: list[str] = []
    stages = Stages(
        read=lambda item: read_pixels(item.image),
        work=lambda item, pixels: results_of(predictor, item, pixels, confidence or "max"),
        write=write_results,
    )
    with freed_memory_kept():
        for done, (item, error) in enumerate(stages.run(plan), start=1):
            if error is None:
                written.append(item)
            else:
                failures.append(str(error) if str(item.image) in str(error) else f"{item.image}: {error}")
            if progress:
                progress(done, len(images))
    if failures:
        raise DataError(report_failures(failures, len(images), out))
    return written


def takes_volumes(predictor: Predictor, *, overlay: bool, confidence: Kind | None) -> bool:
    """Say whether a model takes volumes, of which there are no pictures.

    Raises:
        RequestError: it does, and pictures were asked for.
    """
    volumes = predictor.model.sides == 3
    if volumes and (overlay or confidence):
        what, left = ("Overlays", "overlay") if overlay else ("Confidence maps", "confidence")
        raise RequestError(f"{what} are pictures of images; this model takes volumes. Leave {left} out.")
    return volumes


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
        raise cannot_write(out, error) from error


def predict_one(predictor: Predictor, item: PredictedFile, kind: Kind = "max") -> tuple[int, ...]:
    """Run the network once, then write every result that was asked for; return the size (H, W).

    Raises:
        DataError: this image cannot be predicted.
        TerrazzoError: a result cannot be written.
    """
    results = results_of(predictor, item, read_pixels(item.image), kind)
    write_results(item, results)
    return results.raw.shape


def report_failures(failures: Sequence[str], count: int, out: Path) -> str:
    """Say how many of the images could not be predicted, and each reason on a line of its own."""
    done = count - len(failures)
    lines = "".join(f"\n  {failure}" for failure in failures)
    return (
        f"{len(failures)} of {count} images could not be predicted; "
        f"the results of the other {done} are in {out}:{lines}"
    )
