"""From files to files: made-up streets through the whole of it, and the genuine frames where they are."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from terrazzo.core.errors import DataError, RequestError
from terrazzo.core.images import read_image, write_png
from terrazzo.core.labels import LabelMap
from terrazzo.core.sample import IGNORE
from terrazzo.predict.points import (
    LabelledFrame,
    Options,
    Prior,
    Recovery,
    find_frames,
    label_frames,
    label_points,
    mask_prior,
    model_prior,
    project,
    read_boxes,
    read_calibration,
    read_velodyne,
    recovery,
    to_camera,
)
from terrazzo.predict.points.cloud import GREY
from tests.predict.points.made_street import (
    CALIBRATION,
    LABELS,
    SIZE,
    Street,
    box_mask,
    make_street,
    write_frame,
)
from tests.predict.points.test_kitti import GENUINE, needs_genuine

OPTIONS = Options(classes=("Car", "Pedestrian"))
PLY_TYPES = {"float": "<f4", "uchar": "u1", "int": "<i4"}


@pytest.fixture(scope="module")
def street() -> Street:
    return make_street(np.random.default_rng(0), step=0.5)


@pytest.fixture
def root(street: Street, tmp_path: Path) -> Path:
    """Return a folder with two frames."""
    for name in ("000000", "000001"):
        write_frame(tmp_path / "data", name, street)
    return tmp_path / "data"


def label(root: Path, out: Path, **changes: Any) -> list[LabelledFrame]:
    frames = find_frames(root / "image_2", root / "velodyne", root / "calib", root / "masks")
    return label_frames(frames, mask_prior(LABELS), LABELS, out, **{"options": OPTIONS, **changes})


def test_label_frames__every_format_holds_the_same_points(root: Path, street: Street, tmp_path: Path) -> None:
    done = label(root, tmp_path / "out", formats=("ply", "pcd", "csv"))
    assert [item.frame.name for item in done] == ["000000", "000001"]
    ply, pcd = read_ply(tmp_path / "out" / "000000.ply"), read_pcd(tmp_path / "out" / "000000.pcd")
    with (tmp_path / "out" / "000000.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(ply) == len(pcd) == len(rows) == len(street.points)
    for i, name in enumerate(("x", "y", "z", "reflectance")):
        np.testing.assert_array_equal(ply[name], street.points[:, i])
        np.testing.assert_array_equal(pcd[name], street.points[:, i])
        np.testing.assert_array_equal(np.array([row[name] for row in rows], np.float32), street.points[:, i])
    for name in ("label", "confidence", "cluster"):
        np.testing.assert_array_equal(ply[name], pcd[name])
        np.testing.assert_array_equal(np.array([row[name] for row in rows], ply[name].dtype), ply[name])
    colors = np.stack([ply["red"], ply["green"], ply["blue"]], axis=1).astype(np.uint32)
    np.testing.assert_array_equal(
        pcd["rgb"].view("<u4"), colors[:, 0] << 16 | colors[:, 1] << 8 | colors[:, 2]
    )
    assert colors[ply["label"] == 2][0].tolist() == list(LABELS.classes[2].color)
    assert colors[ply["label"] == -1][0].tolist() == list(GREY)
    named = next(row for row in rows if row["label"] == "3")
    assert (named["name"], named["confidence"]) == ("Pedestrian", "1.0")
    assert {row["name"] for row in rows if row["row"] == ""} == {""}


def test_label_frames__facts_add_up_and_pictures_are_there(
    root: Path, street: Street, tmp_path: Path
) -> None:
    first, _ = label(root, tmp_path / "out")
    facts = json.loads(json.dumps(first.to_json()))
    inside = project(street.points[:, :3], CALIBRATION, SIZE).inside
    assert (facts["points"], facts["in_frame"]) == (len(street.points), int(inside.sum()))
    assert facts["labelled"] == sum(entry["points"] for entry in facts["per_class"]) <= facts["in_frame"]
    ranges = [entry["range_m"] for entry in facts["clusters"]]
    assert ranges == sorted(ranges)
    assert {entry["class"] for entry in facts["clusters"]} == {"Car", "Pedestrian"}
    assert read_image(tmp_path / "out" / "000000_projected.png").shape == (*SIZE, 3)
    assert read_image(tmp_path / "out" / "000000_above.png").shape == (720, 720, 3)
    assert [Path(path).name for path in facts["files"]] == [
        "000000.ply", "000000_projected.png", "000000_above.png",
    ]  # fmt: skip


def test_label_frames__same_seed_same_bytes(root: Path, tmp_path: Path) -> None:
    label(root, tmp_path / "a")
    label(root, tmp_path / "b")
    for name in ("000000.ply", "000000_above.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_label_frames__a_bad_frame_does_not_lose_the_others(root: Path, tmp_path: Path) -> None:
    (root / "masks" / "000000.png").unlink()
    with pytest.raises(DataError) as caught:
        label(root, tmp_path / "out")
    assert str(caught.value).startswith(
        "1 of 2 frames could not be labelled; the results of the other 1 are in"
    )
    assert "000000.png: there is no such file" in str(caught.value)
    assert (tmp_path / "out" / "000001.ply").exists()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        ("size", "000000.png is 30 x 20 pixels and"),
        ("ids", "000000.png: undeclared id 9 at row 0, column 0"),
        ("frame", "None of the"),
    ],
)
def test_label_frames__what_does_not_fit_is_one_sentence(
    root: Path, street: Street, tmp_path: Path, spoil: str, sentence: str
) -> None:
    if spoil == "size":
        write_png(root / "masks" / "000000.png", np.zeros((20, 30), dtype=np.uint8))
    elif spoil == "ids":
        write_png(root / "masks" / "000000.png", np.full(SIZE, 9, dtype=np.uint8))
    else:
        behind = street.points[street.points[:, 0] < 0]
        (root / "velodyne" / "000000.bin").write_bytes(behind.astype("<f4").tobytes())
    with pytest.raises(DataError) as caught:
        label(root, tmp_path / "out")
    assert sentence in str(caught.value)


def test_label_frames__a_wrong_request_is_refused_before_any_work(root: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"Unknown format 'plyy': did you mean 'ply'\?"):
        label(root, tmp_path / "out", formats=("plyy",))
    with pytest.raises(RequestError, match="Unknown class 'Cra': did you mean 'Car'"):
        label(root, tmp_path / "out", options=Options(classes=("Cra",)))
    assert not (tmp_path / "out").exists()


def test_find_frames__files_folders_and_one_calibration_for_all(root: Path, tmp_path: Path) -> None:
    scan, calibration = root / "velodyne" / "000001.bin", root / "calib" / "000000.txt"
    (one,) = find_frames(root / "image_2", scan, calibration)
    assert (one.name, one.image, one.calibration) == ("000001", root / "image_2" / "000001.png", calibration)
    both = find_frames(root / "image_2", root / "velodyne", calibration, root / "masks")
    assert [frame.calibration for frame in both] == [calibration, calibration]
    with pytest.raises(DataError, match="There is no file or folder"):
        find_frames(root / "image_3", scan, calibration)
    with pytest.raises(DataError, match=r"is a folder of scans and .* one file"):
        find_frames(one.image, root / "velodyne", calibration)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no scans; expected files that end in \.bin"):
        find_frames(root / "image_2", tmp_path / "empty", calibration)


def test_model_prior__confidence_is_the_softmax_of_the_class(root: Path) -> None:
    from terrazzo.models import build_model
    from terrazzo.predict import Predictor

    predictor = Predictor(build_model("unet", num_classes=4, num_blocks=2).eval(), LABELS, None)  # type: ignore[arg-type]
    (frame,) = find_frames(root / "image_2", root / "velodyne" / "000000.bin", root / "calib")
    prior = model_prior(predictor)(frame)
    np.testing.assert_array_equal(prior.ids, predictor.predict(frame.image))
    np.testing.assert_allclose(prior.confidence, predictor.probabilities(frame.image).max(axis=0), atol=1e-6)


def recovered(
    street: Street, mask: np.ndarray, labels: LabelMap, options: Options, fewest: int = 10
) -> Recovery:
    """Count the unoccluded objects of so many points that the mask's clusters recover."""
    prior = Prior(mask, np.ones(mask.shape, dtype=np.float32), IGNORE)
    cloud = label_points(street.points, street.calibration, prior, labels, np.random.default_rng(0), options)
    camera = to_camera(street.points[:, :3], street.calibration)
    held = [(b.occluded == 0, b.holds(camera) & cloud.projection.inside) for b in street.boxes]
    wanted = [points for visible, points in held if visible and points.sum() >= fewest]
    return recovery(cloud.clusters, wanted, [p for v, p in held if not v or p.sum() < fewest])


def test_prior__finds_more_of_a_made_street_with_fewer_wrong() -> None:
    with_prior, boxes, without = Recovery(), Recovery(), Recovery()
    for seed in range(3):
        street = make_street(np.random.default_rng(seed), step=0.4)
        drawn = box_mask(street.boxes, SIZE, list(LABELS.names))
        nothing = np.zeros(SIZE, dtype=np.uint8)
        with_prior += recovered(street, street.mask, LABELS, OPTIONS)
        boxes += recovered(street, drawn, LABELS, OPTIONS)
        without += recovered(street, nothing, LabelMap.of({"all": (0, 0, 0)}), Options(keep_behind=True))
    assert with_prior.recall is not None
    assert with_prior.precision is not None
    assert boxes.recall is not None
    assert boxes.precision is not None
    assert without.recall is not None
    assert without.precision is not None
    assert with_prior.boxes >= 25
    assert with_prior.recall > 0.95
    assert with_prior.precision > 0.85
    assert boxes.recall > 0.9
    assert boxes.precision > 0.7
    assert without.recall < boxes.recall - 0.05
    assert without.precision < 0.6


@needs_genuine
def test_prior__recovers_the_unoccluded_objects_of_the_genuine_frames() -> None:
    kinds = ["Car", "Pedestrian", "Cyclist", "Truck"]
    labels = LabelMap.of({kind: (k, 0, 0) for k, kind in enumerate(kinds)})
    found, alone = Recovery(), Recovery()
    for name, size in (("000000", (370, 1224)), ("000001", (375, 1242))):
        boxes = read_boxes(GENUINE / "label_2" / f"{name}.txt")
        frame = Street(
            read_velodyne(GENUINE / "velodyne" / f"{name}.bin"),
            np.zeros(0, dtype=np.int64),
            box_mask(boxes, size, kinds),
            # The cyclist is marked "occlusion unknown"; with 18 points it is asked for too.
            [replace(box, occluded=0) if box.occluded == 3 else box for box in boxes],
            read_calibration(GENUINE / "calib" / f"{name}.txt"),
        )
        found += recovered(frame, frame.mask, labels, Options(), 5)
        nothing = np.zeros(size, dtype=np.uint8)
        alone += recovered(frame, nothing, LabelMap.of({"all": (0, 0, 0)}), Options(keep_behind=True), 5)
    assert (found.boxes, found.recovered) == (4, 4)
    assert found.clusters <= 5
    assert alone.recovered < 4
    assert alone.clusters > 20


def read_ply(path: Path) -> np.ndarray:
    """Read a PLY by its own header."""
    header, _, data = path.read_bytes().partition(b"end_header\n")
    lines = header.decode("ascii").splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    assert "comment label 2 Car" in lines
    kinds = [(line.split()[2], PLY_TYPES[line.split()[1]]) for line in lines if line.startswith("property")]
    rows = np.frombuffer(data, dtype=kinds)
    assert f"element vertex {len(rows)}" in lines
    return rows


def read_pcd(path: Path) -> np.ndarray:
    """Read a PCD by its own header."""
    header, _, data = path.read_bytes().partition(b"DATA binary\n")
    facts = {
        line.split()[0]: line.split()[1:] for line in header.decode("ascii").splitlines() if line[0] != "#"
    }
    kinds = [
        (name, f"<{kind.lower()}{size}")
        for name, kind, size in zip(facts["FIELDS"], facts["TYPE"], facts["SIZE"], strict=True)
    ]
    rows = np.frombuffer(data, dtype=kinds)
    assert facts["WIDTH"] == facts["POINTS"] == [str(len(rows))]
    assert facts["VERSION"] == ["0.7"]
    return rows
