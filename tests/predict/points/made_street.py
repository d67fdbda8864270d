"""A street that is made up: a scanner's rays and a camera's pixels cast against boxes whose places are known.

The scanner is like KITTI's: 64 layers from 2 degrees above to 24.8 below the horizon, a noise of 2 cm. Cars
stand in rows along the kerb and people near them and near the walls, as in a street, so that neither the
range nor the gaps alone tell objects apart.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.images import write_png
from terrazzo.core.labels import LabelMap
from terrazzo.predict.points.boxes import Box
from terrazzo.predict.points.kitti import Calibration
from terrazzo.predict.points.project import to_camera

LABELS = LabelMap.of(
    {"street": (128, 64, 128), "wall": (102, 102, 156), "Car": (0, 0, 142), "Pedestrian": (220, 20, 60)}
)
STREET, WALL, CAR, PEDESTRIAN = range(4)
SCANNER_HEIGHT = 1.73
NOISE = 0.02
MARGIN = 0.15
"""Metres by which labelled boxes are wider and longer than what is in them."""

SLOPE = 0.01
"""Metres down per metre forwards: the street is no plane z = const."""

CALIBRATION = Calibration(
    projection=np.array([[360.0, 0, 310, 22], [0, 360.0, 90, 0.1], [0, 0, 1, 0.002]]),
    rectification=np.array([[1, 0.004, 0], [-0.004, 1, 0], [0, 0, 1.0]]),
    velodyne_to_camera=np.array([[0, -1.0, 0, 0], [0, 0, -1, -0.08], [1, 0, 0, -0.27]]),
)
SIZE = (188, 621)


@dataclass(frozen=True)
class Solid:
    """An upright box in the scanner's coordinates."""

    kind: int
    place: tuple[float, float]
    """(x, y) of its middle."""

    low: float
    """Metres above the street where it begins."""

    size: tuple[float, float, float]
    """Height, width, length."""

    yaw: float = 0.0
    """Of its length against x, radians, counter-clockwise seen from above."""

    item: int = -1
    """The labelled object it belongs to."""

    @property
    def bottom(self) -> float:
        return street_at(*self.place) + self.low


@dataclass(frozen=True, eq=False)
class Street:
    """A frame with everything there is to know about it."""

    points: NDArray[np.float32]
    """(N, 4)."""

    item: NDArray[np.int64]
    """(N,): the labelled object each point lies on, -1 for none."""

    mask: NDArray[np.uint8]
    """(H, W): the class that each pixel shows."""

    boxes: list[Box]
    """Position = item."""

    calibration: Calibration = field(default=CALIBRATION)


def make_street(random: np.random.Generator, *, step: float = 0.25) -> Street:
    """Make a street; `step` degrees lie between the scanner's columns (KITTI: about 0.18)."""
    solids, count = furnish(random)
    rays = scanner_rays(step)
    distance, hit, alone = cast(np.zeros(3), rays, solids)
    distance = distance + random.normal(0, NOISE, len(rays))
    seen = (distance < 80) & (hit != -2)
    items = np.array([solid.item for solid in solids] + [-1])  # the last is the street: index -1
    xyz = rays[seen] * distance[seen, None]
    points = np.column_stack([xyz, random.uniform(0, 0.5, len(xyz))]).astype(np.float32)
    hits = np.bincount(items[hit[seen]] + 1, minlength=count + 1)[1:]
    boxes = [_label(solids, item, hits[item] / max(1, alone[items == item].sum())) for item in range(count)]
    return Street(points, items[hit[seen]], _camera(solids), boxes)


def furnish(random: np.random.Generator) -> tuple[list[Solid], int]:
    """Place walls, poles, parked cars, cars on the road and people."""
    solids = [Solid(WALL, (30, side * 11.0), 0, (6, 0.6, 90)) for side in (-1, 1)]
    solids += [
        Solid(WALL, (x + random.uniform(-2, 2), side * 8.3), 0, (5, 0.25, 0.25))
        for side in (-1, 1)
        for x in range(8, 60, 13)
    ]
    items: list[list[Solid]] = []
    for side in (-1, 1):
        x = random.uniform(5, 8)
        while x < 45:
            items.append(_car((x, side * random.uniform(5.2, 5.6)), random.normal(0, 0.04)))
            x += random.uniform(4.8, 12)
    items.append(_car((random.uniform(14, 40), random.uniform(-2.5, 2.5)), random.normal(0, 0.1)))
    for near, far in ((7.3, 10.2), (3.4, 4.1), (-4.1, -3.4), (-10.2, -7.3)):  # pavement, road, road, pavement
        for x in random.uniform(6, 35, 2):
            items.append([Solid(PEDESTRIAN, (float(x), random.uniform(near, far)), 0, (1.75, 0.5, 0.5))])
    whole = [Solid(s.kind, s.place, s.low, s.size, s.yaw, i) for i, parts in enumerate(items) for s in parts]
    return solids + whole, len(items)


def street_at(x: float, y: float) -> float:
    """Return z of the street's surface."""
    return -SCANNER_HEIGHT - SLOPE * x


def scanner_rays(step: float) -> NDArray[np.float64]:
    """Return directions (M, 3) all around, layer by layer."""
    up, around = np.meshgrid(
        np.radians(np.linspace(2, -24.8, 64)), np.radians(np.arange(-180, 180, step)), indexing="ij"
    )
    rays = np.stack([np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)], axis=-1)
    return rays.reshape(-1, 3)


def cast(
    start: NDArray[np.floating], rays: NDArray[np.floating], solids: list[Solid]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return how far each ray goes, the solid it hits (-1 the street, -2 nothing), and a count per solid.

    The count is of the rays that would hit it if there were no other; through two of an object it counts for
    one.
    """
    falls = rays[:, 2] + SLOPE * rays[:, 0]
    with np.errstate(divide="ignore"):
        distance = np.where(falls < 0, -(start[2] + SLOPE * start[0] + SCANNER_HEIGHT) / falls, np.inf)
    hit = np.where(np.isfinite(distance), -1, -2)
    alone = np.zeros(len(solids) + 1, dtype=np.int64)
    before = np.zeros(len(rays), dtype=np.bool_)
    for number, solid in enumerate(solids):
        near = _enter(start, rays, solid)
        same = number > 0 and solid.item >= 0 and solids[number - 1].item == solid.item
        alone[number] = (np.isfinite(near) & ~(before & same)).sum()
        before = np.isfinite(near)
        closer = near < distance
        distance, hit = np.where(closer, near, distance), np.where(closer, number, hit)
    return distance, hit, alone


def box_mask(boxes: list[Box], size: tuple[int, int], kinds: list[str]) -> NDArray[np.uint8]:
    """Draw the 2-D boxes of labels, far ones first: a mask of positions in `kinds`, 255 elsewhere."""
    mask = np.full(size, 255, dtype=np.uint8)
    for box in sorted(boxes, key=lambda box: -box.place[2]):
        if box.kind in kinds:
            left, top, right, bottom = box.frame
            rows = slice(max(0, int(np.floor(top))), int(np.ceil(bottom)))
            columns = slice(max(0, int(np.floor(left))), int(np.ceil(right)))
            mask[rows, columns] = kinds.index(box.kind)
    return mask


def write_frame(root: Path, stem: str, street: Street) -> None:
    """Write a street as KITTI lays frames out, and its mask in `masks/`."""
    for kind in ("image_2", "velodyne", "calib", "label_2", "masks"):
        (root / kind).mkdir(parents=True, exist_ok=True)
    image = (LABELS.colorize(street.mask) // 2 + 60).astype(np.uint8)
    write_png(root / "image_2" / f"{stem}.png", image)
    write_png(root / "masks" / f"{stem}.png", street.mask)
    (root / "velodyne" / f"{stem}.bin").write_bytes(street.points.astype("<f4").tobytes())
    matrices = {
        "P2": street.calibration.projection,
        "R0_rect": street.calibration.rectification,
        "Tr_velo_to_cam": street.calibration.velodyne_to_camera,
    }
    lines = [f"{name}: {' '.join(f'{v:.12e}' for v in m.ravel())}\n" for name, m in matrices.items()]
    (root / "calib" / f"{stem}.txt").write_text("".join(lines))
    rows = [
        [b.kind, b.truncated, b.occluded, 0, *np.round(b.frame, 2), *b.size, *b.place, b.turn]
        for b in street.boxes
    ]
    text = "".join(" ".join(map(str, row)) + "\n" for row in rows)
    (root / "label_2" / f"{stem}.txt").write_text(text)


def _car(place: tuple[float, float], yaw: float) -> list[Solid]:
    """Return a body and a cabin on it."""
    return [
        Solid(CAR, place, 0.15, (0.75, 1.75, 4.1), yaw),
        Solid(CAR, place, 0.9, (0.6, 1.5, 2.2), yaw),
    ]


def _enter(start: NDArray[np.floating], rays: NDArray[np.floating], solid: Solid) -> NDArray[np.float64]:
    """Return the distance at which each ray enters a box, infinity where it does not."""
    middle = np.array([*solid.place, solid.bottom + solid.size[0] / 2]) - start
    radius, away = np.linalg.norm(solid.size) / 2, np.linalg.norm(middle)
    least = np.sqrt(1 - (radius / away) ** 2) if radius < away else -1.0
    may = np.flatnonzero(rays @ (middle / away) >= least)  # those into the sphere around it
    distance = np.full(len(rays), np.inf)
    distance[may] = _slabs(start, rays[may], solid)
    return distance


def _slabs(start: NDArray[np.floating], rays: NDArray[np.floating], solid: Solid) -> NDArray[np.float64]:
    cosine, sine = np.cos(solid.yaw), np.sin(solid.yaw)
    turned = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
    height, width, length = solid.size
    middle = np.array([*solid.place, solid.bottom + height / 2])
    origin, toward = turned @ (start - middle), rays @ turned.T
    half = np.array([length, width, height]) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        one, two = (-half - origin) / toward, (half - origin) / toward
    enter, leave = np.minimum(one, two).max(axis=1), np.maximum(one, two).min(axis=1)
    return np.where((enter <= leave) & (enter > 0), enter, np.inf)


def _camera(solids: list[Solid]) -> NDArray[np.uint8]:
    """Return the class (H, W) that each pixel of the camera shows, 255 for the sky."""
    focal, across, down = CALIBRATION.projection[0, 0], *CALIBRATION.projection[:2, 2]
    row, column = np.indices(SIZE) + 0.5
    rays = np.stack([(column - across) / focal, (row - down) / focal, np.ones(SIZE)], axis=-1).reshape(-1, 3)
    turn = CALIBRATION.rectification @ CALIBRATION.velodyne_to_camera[:, :3]
    moved = CALIBRATION.rectification @ CALIBRATION.velodyne_to_camera[:, 3]
    # The lens of camera 2 is where P2 times a point is 0; its fourth column is small but not nothing.
    lens = -np.linalg.solve(CALIBRATION.projection[:, :3], CALIBRATION.projection[:, 3])
    start = np.linalg.solve(turn, lens - moved)
    toward = np.linalg.solve(turn, rays.T).T
    _, hit, _ = cast(start, toward / np.linalg.norm(toward, axis=1, keepdims=True), solids)
    kinds = np.array([solid.kind for solid in solids] + [255, STREET], dtype=np.uint8)  # -2 sky, -1 street
    return kinds[hit].reshape(SIZE)


def _label(solids: list[Solid], item: int, visible: float) -> Box:
    """Return the box around an object's solids, a little wide as people draw them, and its rectangle."""
    parts = [solid for solid in solids if solid.item == item]
    first = parts[0]
    height = max(part.low + part.size[0] for part in parts)
    place = to_camera(np.array([[*first.place, street_at(*first.place)]]), CALIBRATION)[0]
    box = Box(
        kind=LABELS.names[first.kind],
        occluded=0 if visible >= 0.7 else 1,
        truncated=0.0,
        frame=(0, 0, 0, 0),
        size=(height + 0.05, first.size[1] + MARGIN, first.size[2] + MARGIN),
        place=(float(place[0]), float(place[1]), float(place[2])),
        turn=-first.yaw - np.pi / 2,
    )
    return Box(**{**vars(box), "frame": _rectangle(box)})


def _rectangle(box: Box) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom of a box in the image."""
    corners = box.corners()
    corners[:, 2] = np.maximum(corners[:, 2], 0.5)
    image = corners @ CALIBRATION.projection[:, :3].T + CALIBRATION.projection[:, 3]
    u, v = image[:, 0] / image[:, 2], image[:, 1] / image[:, 2]
    height, width = SIZE
    return (
        float(u.min().clip(0, width)), float(v.min().clip(0, height)),
        float(u.max().clip(0, width)), float(v.max().clip(0, height)),
    )  # fmt: skip
