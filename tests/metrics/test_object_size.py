import numpy as np
import pytest
from scipy.ndimage import label

from terrazzo.core import RequestError
from terrazzo.metrics.object_size import SizeRecall
from tests.metrics.judging import blobs, grid, labels_of, result


def test_size_recall__worked_by_hand() -> None:
    truth = grid("1101111", "0000111", "1000111", "0100..1")
    ids = grid("1001111", "0000111", "1000100", "0000110")
    found = result(SizeRecall(labels_of(2), limits=(3, 10)), (ids, truth))
    ones = found["per_class"][1]
    # Two objects of 2 pixels: one of them half found, the other (across a corner) half; one of 11, 8 found.
    assert (ones["small"]["objects"], ones["small"]["pixels"]) == (2, 4)
    assert (ones["small"]["pixel_recall"], ones["small"]["object_recall"], ones["small"]["found"]) == (
        0.5,
        0.5,
        1,
    )
    assert (ones["large"]["objects"], ones["large"]["pixel_recall"]) == (1, 8 / 11)
    assert ones["medium"] == {
        "objects": 0,
        "pixels": 0,
        "pixel_recall": None,
        "object_recall": None,
        "found": None,
    }
    zeros = found["per_class"][0]["large"]
    assert (zeros["objects"], zeros["pixel_recall"]) == (1, 1)
    assert found["pooled"]["large"]["pixel_recall"] == (8 + zeros["pixels"]) / (11 + zeros["pixels"])


def test_size_recall__limits_are_cocos_and_belong_to_the_larger() -> None:
    truth = np.zeros((200, 300), dtype=np.uint8)
    truth[1:33, 1:33] = 1  # 32^2: medium
    truth[50:146, 50:146] = 1  # 96^2: large
    truth[160:191, 1:33] = 1  # 31 x 32: small
    ones = result(SizeRecall(labels_of(2)), (truth, truth))["per_class"][1]
    assert [ones[size]["objects"] for size in ("small", "medium", "large")] == [1, 1, 1]
    assert [ones[size]["pixel_recall"] for size in ("small", "medium", "large")] == [1, 1, 1]


def test_size_recall__scaled_counts_as_on_640_by_480() -> None:
    truth = np.zeros((960, 1280), dtype=np.uint8)
    truth[5:45, 5:45] = 1  # 1600 pixels, a quarter of that when scaled
    plain, scaled = (
        result(SizeRecall(labels_of(2), scaled=flag), (truth, truth))["per_class"][1]
        for flag in (False, True)
    )
    assert (plain["medium"]["objects"], scaled["small"]["objects"]) == (1, 1)
    assert scaled["small"]["pixels"] == 1600


@pytest.mark.parametrize("seed", range(3))
def test_size_recall__equals_components_by_scipy(seed: int) -> None:
    ids, truth = blobs(seed, 4, (50, 60))
    found = result(SizeRecall(labels_of(4), limits=(9, 90)), (ids, truth))
    for k in range(4):
        objects, count = label(truth == k, structure=np.ones((3, 3)))
        pixels = [objects == i + 1 for i in range(count)]
        small = [(ids == k)[mask].mean() for mask in pixels if mask.sum() < 9]
        entry = found["per_class"][k]["small"]
        assert entry["objects"] == len(small)
        assert entry["object_recall"] == (pytest.approx(np.mean(small)) if small else None)


def test_size_recall__refuses_limits_that_do_not_rise() -> None:
    for wrong in ((5, 5), (0, 3), (1, 2, 3)):
        with pytest.raises(RequestError, match=r"Sizes need two rising limits in pixels"):
            SizeRecall(labels_of(2), limits=wrong)
