"""From the files of frames to the files of their labelled scans; one bad frame does not lose the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from terrazzo.core.errors import DataError, TerrazzoError, unknown_name
from terrazzo.core.labels import LabelMap
from terrazzo.core.randomness import Stream, generator
from terrazzo.predict.points.assign import Prior
from terrazzo.predict.points.cloud import Cloud, Options, class_ids, label_points
from terrazzo.predict.points.formats import WRITERS
from terrazzo.predict.points.frames import Frame
from terrazzo.predict.points.kitti import read_calibration, read_velodyne

if TYPE_CHECKING:
    from terrazzo.predict.predictor import Predictor

PriorOf = Callable[[Frame], Prior]
"""What says the classes of a frame's image."""


@dataclass(frozen=True)
class LabelledFrame:
    """What was written for one frame."""

    frame: Frame
    files: tuple[Path, ...]
    facts: dict[str, Any]
    """`Cloud.to_json`."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"frame": self.frame.name, "files": [str(path) for path in self.files], **self.facts}


def label_frames(
    frames: Sequence[Frame],
    prior_of: PriorOf,
    label_map: LabelMap,
    out: Path,
    *,
    options: Options | None = None,
    formats: Sequence[str] = ("ply",),
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[LabelledFrame]:
    """Label the scans of frames, and write each with two pictures: `NAME_projected.png`, `NAME_above.png`.

    Args:
        frames: their files.
        prior_of: gives the classes of a frame's image: `model_prior` or `mask_prior`.
        label_map: what the classes are.
        out: folder for the results; made if absent.
        options: how.
        formats: endings of the scans that are written: csv, pcd, ply.
        seed: of the search for the ground.
        progress: called after each frame.

    Raises:
        RequestError: before any work: an unknown format, or an unknown class.
        DataError: after all others are done: the frames that could not be labelled, and why.
        TerrazzoError: a result cannot be written.
    """
    for ending in formats:
        if ending not in WRITERS:
            raise unknown_name("format", ending, WRITERS)
    options = options or Options()
    class_ids(label_map, options.classes)
    out.mkdir(parents=True, exist_ok=True)
    done: list[LabelledFrame] = []
    failures: list[str] = []
    for number, frame in enumerate(frames):
        try:
            cloud = label_frame(frame, prior_of, label_map, generator(seed, Stream.GROUND), options)
            done.append(LabelledFrame(frame, _write(frame, cloud, out, formats), cloud.to_json()))
        except DataError as error:
            failures.append(str(error))
        if progress:
            progress(number + 1, len(frames))
    if failures:
        raise DataError(_report(failures, len(frames), out))
    return done


def label_frame(
    frame: Frame, prior_of: PriorOf, label_map: LabelMap, random: np.random.Generator, options: Options
) -> Cloud:
    """Read one frame and label its scan; arguments as `label_points`.

    Raises:
        DataError: a file is missing or wrong, or they are not of one frame.
    """
    points_N4 = read_velodyne(frame.velodyne)
    calibration = read_calibration(frame.calibration)
    prior = prior_of(frame)
    try:
        return label_points(points_N4, calibration, prior, label_map, random, options)
    except DataError as error:
        raise DataError(f"{frame.velodyne}: {error}") from error


def model_prior(predictor: "Predictor") -> PriorOf:
    """Return what predicts the classes of a frame's image; the confidence is the class's softmax."""
    from terrazzo.core.prediction import to_probabilities

    def prior_of(frame: Frame) -> Prior:
        answer = predictor.answer(frame.image)
        shares_KHW = to_probabilities(answer.prediction)
        confidence_HW = np.take_along_axis(shares_KHW, answer.ids[None].astype(np.int64), axis=0)[0]
        return Prior(answer.ids, confidence_HW, predictor.labels.ignore_index)

    return prior_of


def mask_prior(label_map: LabelMap) -> PriorOf:
    """Return what reads the classes of a frame's mask, with a confidence of 1.

    The reader raises `DataError` for a mask of another size than its image, or with undeclared ids.
    """
    from terrazzo.core.images import image_size, read_mask

    def prior_of(frame: Frame) -> Prior:
        assert frame.mask is not None, "mask_prior needs frames that were found with masks"
        ids = label_map.encode(read_mask(frame.mask), source=str(frame.mask))
        height, width = image_size(frame.image)
        if ids.shape != (height, width):
            raise DataError(
                f"{frame.mask} is {ids.shape[1]} x {ids.shape[0]} pixels and {frame.image} is {width} x "
                f"{height}; expected one size. The calibration is that of the image: give a mask of its size."
            )
        return Prior(ids, np.ones(ids.shape, dtype=np.float32), label_map.ignore_index)

    return prior_of


def _write(frame: Frame, cloud: Cloud, out: Path, formats: Sequence[str]) -> tuple[Path, ...]:
    """Write the scan in every format, and the pictures."""
    from terrazzo.core.images import read_image, write_png
    from terrazzo.figures.point_clouds import classes_shown, points_from_above, points_on_image

    seen = cloud.projection
    known = cloud.labels >= 0
    projected = points_on_image(
        read_image(frame.image), seen.row[known], seen.column[known], cloud.colors[known], seen.depth[known]
    )
    order = np.argsort(known, kind="stable")  # what has a class is drawn over what has none
    above = points_from_above(
        cloud.points[order, :2],
        cloud.colors[order],
        cloud.clusters[order],
        classes_shown(cloud.label_map, cloud.labels),
    )
    files = [out / f"{frame.name}.{ending}" for ending in formats]
    try:
        for path in files:
            WRITERS[path.suffix[1:]](path, cloud)
    except OSError as error:
        raise TerrazzoError(
            f"{error.filename or out} cannot be written: {error.strerror}. Free some space there, or choose "
            "another folder."
        ) from error
    pictures = {out / f"{frame.name}_projected.png": projected, out / f"{frame.name}_above.png": above}
    for path, picture in pictures.items():
        write_png(path, picture)
    return (*files, *pictures)


def _report(failures: Sequence[str], count: int, out: Path) -> str:
    if count == 1:
        return failures[0]
    lines = "".join(f"\n  {failure}" for failure in failures)
    return (
        f"{len(failures)} of {count} frames could not be labelled; the results of the other "
        f"{count - len(failures)} are in {out}:{lines}"
    )
