"""Whether an image's classes help to find the objects of a scan: precision and recall, with and without them.

    python -m benchmarks.points ../shared/data/samples/kitti_object

Once on genuine frames of KITTI with masks drawn from the 2-D boxes of label_2 (there are no better ones),
once on made-up streets, with the true masks and with such boxes. Without the prior all points of the image
but the ground are one class; every other setting is the same. A cluster recovers a box by an intersection
over union above 0.5 of their points in the image. Wanted are cars and pedestrians that are not occluded and
hold enough points; others count for nothing.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine
from terrazzo.core.images import image_size
from terrazzo.core.label_files import spread_color
from terrazzo.core.labels import LabelMap
from terrazzo.core.sample import IGNORE
from terrazzo.predict.points import (
    Box,
    Calibration,
    Options,
    Prior,
    Recovery,
    Settings,
    label_points,
    project,
    read_boxes,
    read_calibration,
    read_velodyne,
    recovery,
    to_camera,
)
from tests.predict.points import made_street

WANTED = ("Car", "Pedestrian")
FEWEST_POINTS = 5
"""Points in the image below which no cluster could recover a box: the fewest of a cluster."""

KINDS = ("Car", "Pedestrian", "Cyclist", "Truck", "Van", "Tram", "Person_sitting", "Misc")
EVERYTHING = LabelMap.of({"everything": (0, 0, 0)})


@dataclass(frozen=True, eq=False)
class Case:
    """A frame and a prior for it."""

    points: NDArray[np.float32]
    calibration: Calibration
    size: tuple[int, int]
    boxes: Sequence[Box]
    mask: NDArray[np.uint8]
    labels: LabelMap


def genuine(root: Path) -> Iterator[Case]:
    """Yield the frames of a folder in KITTI's layout."""
    labels = LabelMap.of({kind: spread_color(k) for k, kind in enumerate(KINDS)})
    for scan in sorted((root / "training" / "velodyne").glob("*.bin")):
        size = image_size(root / "training" / "image_2" / f"{scan.stem}.png")
        boxes = read_boxes(root / "training" / "label_2" / f"{scan.stem}.txt")
        calibration = read_calibration(root / "training" / "calib" / f"{scan.stem}.txt")
        mask = made_street.box_mask(boxes, size, list(KINDS))
        yield Case(read_velodyne(scan), calibration, size, boxes, mask, labels)


def made(count: int, *, boxes: bool) -> Iterator[Case]:
    """Yield made-up streets, with masks of their 2-D boxes or the true ones."""
    labels = made_street.LABELS
    for number in range(count):
        street = made_street.make_street(np.random.default_rng(number))
        mask = street.mask
        if boxes:
            mask = made_street.box_mask(street.boxes, made_street.SIZE, list(labels.names))
        yield Case(street.points, street.calibration, made_street.SIZE, street.boxes, mask, labels)


def score(case: Case, options: Options, *, prior: bool) -> Recovery:
    """Label and divide one scan, and count the boxes recovered."""
    mask = case.mask if prior else np.zeros(case.size, dtype=np.uint8)
    labels = case.labels if prior else EVERYTHING
    names = tuple(kind for kind in WANTED if kind in labels.names) if prior else None
    known = Prior(mask, np.ones(case.size, dtype=np.float32), IGNORE)
    cloud = label_points(
        case.points,
        case.calibration,
        known,
        labels,
        np.random.default_rng(0),
        replace(options, classes=names),
    )
    inside = project(case.points[:, :3], case.calibration, case.size).inside
    camera = to_camera(case.points[:, :3], case.calibration)
    held = [(box, box.holds(camera) & inside) for box in case.boxes]
    picked = [
        box.kind in WANTED and box.occluded == 0 and int(points.sum()) >= FEWEST_POINTS
        for box, points in held
    ]
    sets = [points for _, points in held]
    return recovery(
        cloud.clusters,
        [points for points, pick in zip(sets, picked, strict=True) if pick],
        [points for points, pick in zip(sets, picked, strict=True) if not pick],
    )


def table(cases: Sequence[Case]) -> dict[str, Any]:
    """Score the same frames with and without the prior, and with single parts left out."""
    usual = Options()
    metres = replace(usual, clusters=Settings(reference=1e6))  # no range is beyond it: plain metres
    rows: dict[str, tuple[Options, bool]] = {
        "with the prior": (usual, True),
        "with the prior, clusters behind kept": (replace(usual, keep_behind=True), True),
        "with the prior, plain metres": (metres, True),
        "with the prior, hdbscan": (replace(usual, clusters=Settings("hdbscan")), True),
        "without": (replace(usual, keep_behind=True), False),
        "without, clusters behind dropped": (usual, False),
        "without, plain metres": (replace(metres, keep_behind=True), False),
    }
    for reach in (0.3, 0.4, 0.7):
        settings = Settings(reach=reach)
        rows[f"with the prior, reach {reach}"] = (replace(usual, clusters=settings), True)
        rows[f"without, reach {reach}"] = (replace(usual, clusters=settings, keep_behind=True), False)
    facts = {}
    score(cases[0], usual, prior=True)  # imports scikit-learn before the clock runs
    for name, (options, prior) in rows.items():
        start = time.perf_counter()
        scores = [score(case, options, prior=prior) for case in cases]
        seconds = (time.perf_counter() - start) / len(cases)
        facts[name] = {**sum(scores, Recovery()).to_json(), "seconds_per_frame": round(seconds, 3)}
    return facts


def main() -> None:
    """Score, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, nargs="?", default=Path("../shared/data/samples/kitti_object"))
    parser.add_argument("--streets", type=int, default=20)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/points.json"))
    options = parser.parse_args()
    sets = {
        "KITTI, masks of 2-D boxes": list(genuine(options.root)),
        "made streets, true masks": list(made(options.streets, boxes=False)),
        "made streets, masks of 2-D boxes": list(made(options.streets, boxes=True)),
    }
    facts: dict[str, Any] = {"machine": machine.facts(), "iou_above": 0.5, "fewest_points": FEWEST_POINTS}
    for name, cases in sets.items():
        facts[name] = {"frames": len(cases), **table(cases)}
        for row, numbers in list(facts[name].items())[1:]:
            found = ", ".join(f"{key} {value}" for key, value in numbers.items())
            print(f"{name}; {row}: {found}")
    options.json.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
