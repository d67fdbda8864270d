"""What every meter of the catalogue keeps to."""

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from terrazzo.core import DataError, LabelMap, RequestError
from terrazzo.core.prediction import Prediction
from terrazzo.metrics import METERS, Judged, Meter, build_meters
from terrazzo.metrics.categories import CategoryIou
from tests.metrics.judging import blobs, grid, judge, labels_of, result

OF_LABELS = [name for name in METERS if not name.startswith(("road", "calibration", "coverage"))]
"""Those that need no probabilities."""

PLANAR = ("boundary-iou", "size-recall", "surface", "trimap")


def meter_of(name: str, count: int) -> Meter:
    """Build a meter for `count` classes."""
    labels = labels_of(count)
    if name != "categories":
        return METERS[name](labels)
    return CategoryIou(labels, categories={"even": labels.names[::2], "odd": labels.names[1::2]})


def classes_for(name: str) -> int:
    return 2 if name == "road-maxf" else 4


def judged(name: str, seed: int, under_void: int) -> Judged:
    """A random image; what is predicted under void depends on `under_void`, nothing else does."""
    count = classes_for(name)
    ids, truth = blobs(seed, count, (20, 24))
    random = np.random.default_rng(seed)
    logits = random.standard_normal((count, *truth.shape))
    here = truth == 255
    elsewhere = np.random.default_rng(under_void)
    ids[here] = elsewhere.integers(0, 256, int(here.sum()))
    logits[:, here] = elsewhere.standard_normal((count, int(here.sum())))
    prediction = Prediction(torch.from_numpy(logits)[None].float(), stride=1, size=truth.shape)
    return Judged("um_000001", None, truth, ids, prediction)


@pytest.mark.parametrize("name", METERS)
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1000), other=st.integers(1, 1000))
def test_meters__what_is_predicted_under_void_changes_nothing(name: str, seed: int, other: int) -> None:
    results = []
    for under_void in (0, other):
        meter = meter_of(name, classes_for(name))
        meter.add(judged(name, seed, under_void))
        results.append(meter.to_json())
    assert results[0] == results[1]


@pytest.mark.parametrize("name", METERS)
def test_meters__say_plain_values_and_none_where_nothing_is_defined(name: str) -> None:
    for meter in (meter_of(name, classes_for(name)) for _ in range(2)):
        json.dumps(meter.to_json(), allow_nan=False)
        meter.add(judged(name, 1, 0))
        json.dumps(meter.to_json(), allow_nan=False)


@pytest.mark.parametrize("name", METERS)
def test_meters__all_void_is_nothing(name: str) -> None:
    count = classes_for(name)
    empty = meter_of(name, count).to_json()
    meter = meter_of(name, count)
    one = judged(name, 1, 0)
    meter.add(Judged(one.id, None, np.full_like(one.truth, 255), one.ids, one.prediction))

    def scores(found: Any) -> Any:
        """All but counts of images and the categories that KITTI's names tell."""
        if not isinstance(found, dict):
            return [scores(entry) for entry in found] if isinstance(found, list) else found
        return {k: scores(v) for k, v in found.items() if k not in {"images_absent", "images", "categories"}}

    assert scores(meter.to_json()) == scores(empty)


@pytest.mark.parametrize("name", OF_LABELS)
def test_meters__take_labels_of_any_whole_type_and_many_classes(name: str) -> None:
    ids, truth = blobs(3)
    plain = result(meter_of(name, 3), (ids, truth))
    assert result(meter_of(name, 3), (ids.astype(np.int64), truth.astype(np.int32))) == plain
    for count in (254, 255, 300):
        labels = labels_of(count)
        void = np.where(truth == 255, labels.ignore_index, truth.astype(np.int16)).astype(labels.mask_dtype)
        found = result(meter_of(name, count), (ids, void))
        for whole, part in zip(found.get("per_class", []), plain.get("per_class", []), strict=False):
            assert whole == part


@pytest.mark.parametrize("name", OF_LABELS)
def test_meters__do_not_depend_on_the_order_of_images(name: str) -> None:
    images = [blobs(seed, 3, (16, 20 + seed)) for seed in range(4)]
    forth, back = (result(meter_of(name, 3), *row) for row in (images, images[::-1]))
    assert _numbers(forth) == pytest.approx(_numbers(back), rel=1e-12)


def _numbers(found: Any) -> list[float]:
    if isinstance(found, dict):
        return [number for value in found.values() for number in _numbers(value)]
    if isinstance(found, list):
        return [number for value in found for number in _numbers(value)]
    return [found] if isinstance(found, int | float) else []


@pytest.mark.parametrize("name", PLANAR)
def test_meters__of_boundaries_refuse_volumes_in_a_sentence(name: str) -> None:
    volume = np.zeros((2, 4, 4), dtype=np.uint8)
    with pytest.raises(
        RequestError, match=r"^head: .*this is a volume of shape \(2, 4, 4\).*fine-grained IoU"
    ):
        meter_of(name, 2).add(judge(volume, volume, "head"))


def test_fine_grained__takes_volumes() -> None:
    volume = np.arange(16, dtype=np.uint8).reshape(2, 2, 4) % 2
    assert result(METERS["fine-grained"](labels_of(2)), (volume, volume))["miou_i"] == 1


@pytest.mark.parametrize("name", PLANAR)
def test_meters__of_boundaries_refuse_what_the_counts_refuse(name: str) -> None:
    meter = meter_of(name, 2)
    with pytest.raises(DataError, match=r"^a: prediction \(1, 3\) and truth \(1, 2\) differ in shape"):
        meter.add(judge(grid("000"), grid("00")))
    with pytest.raises(DataError, match=r"^a: the prediction holds id 7 on valid pixels; expected 0\.\.1"):
        meter.add(judge(grid("70"), grid("00")))
    with pytest.raises(DataError, match=r"^a: the truth holds id 3 on valid pixels"):
        meter.add(judge(grid("00"), grid("30")))


def test_build_meters__builds_by_name_and_helps_with_typing_errors() -> None:
    labels = LabelMap.of({"a": (0, 0, 0), "b": (1, 1, 1)})
    assert list(build_meters(["trimap", "surface"], labels)) == ["trimap", "surface"]
    with pytest.raises(RequestError, match=r"Unknown metric 'trimaps': did you mean 'trimap'\?"):
        build_meters(["trimaps"], labels)


def test_catalogue__is_imported_without_heavy_packages() -> None:
    code = (
        "import sys, terrazzo.metrics;"
        "print([m for m in ('torch', 'cv2', 'scipy', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", METERS)
def test_meters__keep_a_small_row_per_image_at_most(name: str) -> None:
    meter = meter_of(name, classes_for(name))
    sizes = []
    for seed in range(24):
        meter.add(replace(judged(name, seed, 0), id=f"um_{seed:06}"))
        sizes.append(len(pickle.dumps(meter)))
    assert sizes[-1] - sizes[3] <= 20 * 500  # an image has 480 pixels here, and its logits take 7,680 bytes
