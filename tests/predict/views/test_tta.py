"""Test-time augmentation: nothing changes where nothing may, and every merge is what its definition says."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from terrazzo.core.errors import DataError, RequestError
from terrazzo.core.prediction import Prediction, upsample
from terrazzo.models.base import SegmentationModel
from terrazzo.predict import TorchBackend, WholeImage, to_ids, to_probabilities
from terrazzo.predict.inference import Inference, Method
from terrazzo.predict.views.merging import MERGES, merge
from terrazzo.predict.views.spec import parse_tta
from terrazzo.predict.views.tta import Padding, TestTime, with_tta
from tests.predict.networks import Averages, Foreign, averages

ALL = "hflip,vflip,rot90"


def photo(height: int = 41, width: int = 58, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.mark.parametrize("merge_rule", sorted(MERGES))
@pytest.mark.parametrize("stride", [1, 4, 8])
@pytest.mark.parametrize("size", [(41, 58), (48, 64), (33, 47)])
def test_tta__a_network_that_does_not_mind_flips_says_the_same(
    size: tuple[int, int], stride: int, merge_rule: str
) -> None:
    inner = averages(stride)
    plain = inner(photo(*size))
    merged = TestTime(inner, f"{ALL},merge={merge_rule}")(photo(*size))
    assert (merged.stride, tuple(merged.size), merged.logits.shape) == (stride, size, plain.logits.shape)
    if merge_rule == "tsharpen":  # the mean of p^T sharpens nothing where all agree, but it is p^T
        plain = replace(plain, logits=plain.logits / 2)
    np.testing.assert_allclose(to_probabilities(merged), to_probabilities(plain), atol=2e-5)


def test_tta__corners_that_are_aligned_stay_so() -> None:
    inner = averages(4, align_corners=True)
    merged = TestTime(inner, ALL)(photo())
    assert merged.align_corners
    np.testing.assert_allclose(to_probabilities(merged), to_probabilities(inner(photo())), atol=2e-5)


def test_tta__a_network_that_minds_flips_is_averaged_over_them() -> None:
    """So that the tests above cannot pass by doing nothing: the result no longer minds them."""
    inner = averages(4, symmetric=False)
    once = TestTime(inner, ALL)
    image = photo(48, 64)
    plain, merged = to_probabilities(inner(image)), to_probabilities(once(image))
    turned = to_probabilities(once(np.rot90(image)))
    assert np.abs(plain - merged).max() > 0.1
    np.testing.assert_allclose(np.rot90(merged, axes=(1, 2)), turned, atol=1e-5)


def test_tta__where_the_padding_is_unknown_only_the_last_cells_differ() -> None:
    model = Averages(4, multiple=4)
    foreign = WholeImage(Foreign(model))
    plain = to_probabilities(WholeImage(TorchBackend(model))(photo(43, 58)))
    merged = to_probabilities(TestTime(foreign, "hflip,vflip")(photo(43, 58)))
    np.testing.assert_allclose(merged[:, :34, :50], plain[:, :34, :50], atol=2e-5)


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    e = np.exp(logits.astype(np.float64) - logits.max(axis=0))
    return np.asarray(e / e.sum(axis=0))


def at_pixels(prediction: Prediction, size: tuple[int, int]) -> NDArray[np.float64]:
    """Read the logits of a scaled image where the pixels of the original lie, one line at a time."""
    values = prediction.logits[0].numpy().astype(np.float64)
    for axis, (new, old) in enumerate(zip(size, prediction.size, strict=True), start=1):
        places = ((np.arange(new) + 0.5) * old / new) / prediction.stride - 0.5
        nodes = np.arange(values.shape[axis])
        lines = np.moveaxis(values, axis, -1)
        read = [np.interp(places, nodes, line) for line in lines.reshape(-1, len(nodes))]
        values = np.moveaxis(np.reshape(read, (*lines.shape[:-1], new)), -1, axis)
    return values


def merged_by_definition(logits: list[NDArray[Any]], rule: str) -> NDArray[np.float64]:
    shares = np.stack([softmax(each) for each in logits])
    merged = {
        "mean": shares.mean(axis=0),
        "logits": softmax(np.mean(logits, axis=0)),
        "gmean": shares.prod(axis=0) ** (1 / len(shares)),
        "max": shares.max(axis=0),
        "tsharpen": (shares**0.5).mean(axis=0),
    }[rule]
    return np.asarray(merged / merged.sum(axis=0))


@pytest.mark.parametrize("rule", sorted(MERGES))
def test_tta__scales_and_flips_merge_as_defined_at_full_size(rule: str) -> None:
    inner = averages(1, multiple=1, symmetric=False)
    image = photo(40, 52)
    import cv2

    views = []
    for height, width in ((40, 52), (48, 62), (34, 44)):  # scales 1, 1.2 and 0.85, rounded
        scaled = image if height == 40 else cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        for flip in (False, True):
            prediction = inner(scaled[:, ::-1] if flip else scaled)
            upright = prediction.logits.flip(-1) if flip else prediction.logits
            views.append(at_pixels(replace(prediction, logits=upright), (40, 52)))
    result = TestTime(inner, f"hflip,scale=0.85:1.2,merge={rule}")(image)
    assert result.stride == 1
    np.testing.assert_allclose(to_probabilities(result), merged_by_definition(views, rule), atol=2e-5)


@pytest.mark.parametrize("rule", sorted(MERGES))
def test_tta__flips_merge_as_defined_at_the_logits(rule: str) -> None:
    inner = averages(4, multiple=4, symmetric=False)
    image = photo(43, 58)
    padded = np.empty((44, 60, 3), dtype=np.float32)
    padded[:] = (123.675, 116.28, 103.53)
    padded[:43, :58] = image
    views = [inner(image).logits, inner(padded[:, ::-1]).logits.flip(-1)]
    expected = merged_by_definition([view[0].numpy() for view in views], rule)
    result = TestTime(inner, f"hflip,merge={rule}")(image)
    log_Khw = torch.from_numpy(np.log(expected))[None]
    full = upsample(log_Khw, (43, 58), stride=4)[0].softmax(dim=0).numpy()
    np.testing.assert_allclose(to_probabilities(result), full, atol=2e-5)


def test_tta__flipped_and_scaled_at_a_stride_that_does_not_fit() -> None:
    """Scaled to 49 x 70 at stride 4: the flipped view is padded to its network's multiple of 8 first."""
    inner = averages(4, symmetric=True)
    image = photo(41, 58)
    result = to_probabilities(TestTime(inner, "scale=1.2")(image))
    np.testing.assert_allclose(
        to_probabilities(TestTime(inner, f"{ALL},scale=1.2")(image)), result, atol=2e-5
    )


def test_tta__geometric_mean_is_the_mean_of_logits() -> None:
    inner, image = averages(4, symmetric=False), photo()
    first, second = (
        to_probabilities(TestTime(inner, f"hflip,merge={m}")(image)) for m in ("gmean", "logits")
    )
    np.testing.assert_allclose(first, second, atol=1e-6)


@pytest.mark.parametrize("rule", sorted(MERGES))
def test_merge__certain_networks_do_not_underflow(rule: str) -> None:
    """Probabilities of exp(-300) are 0 in float32, and the logarithm of 0 would poison what is widened."""
    logits_1Khw = torch.tensor([[[[150.0, -150.0]], [[-150.0, 150.0]]]])
    prediction = Prediction(logits_1Khw, 4, (4, 8))
    result = merge(rule, lambda: [(prediction, 1.0), (prediction, 1.0)])
    assert torch.isfinite(result.logits).all()
    expected = prediction.full_size() / (2 if rule == "tsharpen" else 1)
    torch.testing.assert_close(result.full_size().softmax(dim=1), expected.softmax(dim=1))


class Odd:
    """Predicts wide images at full size, others at stride 4: what automatic tiles might do."""

    method = Method()

    def __init__(self) -> None:
        self.inner = averages(4)
        self.backend = self.inner.backend

    def __call__(self, image_HWC: NDArray[Any]) -> Prediction:
        prediction = self.inner(image_HWC)
        wide = image_HWC.shape[1] > image_HWC.shape[0]
        return Prediction(prediction.full_size(), 1, prediction.size) if wide else prediction


def test_tta__views_on_different_grids_are_merged_at_full_size() -> None:
    image = photo(41, 58)
    result = TestTime(Odd(), "rot90")(image)
    assert result.stride == 1
    np.testing.assert_allclose(to_probabilities(result), to_probabilities(averages(4)(image)), atol=2e-5)


def test_tta__the_same_bits_every_time() -> None:
    inner = averages(4, symmetric=False)
    first, second = (TestTime(inner, f"{ALL},scale=0.9:1.3")(photo()).logits for _ in range(2))
    assert torch.equal(first, second)


def test_tta__none_is_exactly_the_network() -> None:
    inner = averages(4)
    assert torch.equal(TestTime(inner, "none")(photo()).logits, inner(photo()).logits)
    assert with_tta(inner, "none") is inner
    assert TestTime(inner, "none").method == inner.method


def test_tta__an_image_without_channel_axis_and_other_types() -> None:
    inner = averages(4, channels=1, symmetric=False)
    image, tta = photo(channels=1), TestTime(inner, "hflip,scale=1.2")
    expected = to_ids(tta(image))
    np.testing.assert_array_equal(to_ids(tta(image[..., 0])), expected)
    for dtype in (np.uint16, np.int32, np.float64):
        assert (to_ids(tta(image.astype(dtype))) == expected).mean() > 0.98  # resized without rounding


def test_tta__method_says_it() -> None:
    inner: Inference = averages(4)
    assert TestTime(inner, "hflip,merge=max").method == Method(tta="hflip,merge=max (2 views)")
    twice = TestTime(TestTime(inner, "hflip"), "scale=1.5")
    assert twice.method.tta == "hflip,merge=mean (2 views); scale=1:1.5,merge=mean (2 views)"
    assert twice.backend is inner.backend


def test_tta__a_scale_that_is_too_small_is_named() -> None:
    class Whole(Averages):
        pass

    sentence = r"scale=0.5 makes 20 x 29 pixels of this image: The images are 20 x 29 pixels; models take"
    with pytest.raises(RequestError, match=sentence):
        TestTime(WholeImage(TorchBackend(Whole(4))), "scale=0.5")(photo())


def test_tta__a_wrong_image_is_refused_as_without() -> None:
    with pytest.raises(DataError, match="The image has 4 channels, but the model takes 3"):
        TestTime(averages(4), "hflip")(photo(channels=4))


class Voxels(SegmentationModel):
    """A 1 x 1 x 1 network for volumes at stride 2."""

    sides = 3

    def __init__(self) -> None:
        super().__init__(num_classes=3, in_channels=1, stride=2, multiple=4)
        self.mix = torch.nn.Conv3d(1, 3, 1)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        logits: Tensor = self.mix(torch.nn.functional.avg_pool3d(image_BCHW, 2))
        return logits


def test_tta__volumes_flip_and_turn() -> None:
    inner = WholeImage(TorchBackend(Voxels()))
    volume = np.random.default_rng(0).integers(0, 256, (35, 37, 41, 1), dtype=np.uint8)
    merged = TestTime(inner, "hflip,dflip,rot90")(volume)
    assert tuple(merged.size) == (35, 37, 41)
    np.testing.assert_allclose(to_probabilities(merged), to_probabilities(inner(volume)), atol=2e-5)


def test_tta__what_does_not_fit_the_model() -> None:
    with pytest.raises(RequestError, match="Volumes are not scaled for test-time augmentation"):
        TestTime(WholeImage(TorchBackend(Voxels())), "scale=2")
    with pytest.raises(
        RequestError, match="dflip turns the slices of volumes around; this model takes images"
    ):
        TestTime(averages(4), parse_tta("dflip"))


def test_padding__fits_logits_of_any_stride() -> None:
    padding = Padding(4, (1.5,)).for_stride(6)
    assert padding.multiple == 12
    padded = padding.pad(np.zeros((13, 24, 1), np.uint8))
    assert padded.shape == (24, 24, 1)
    assert (padded[13:] == 1.5).all()
    assert not padded[:13].any()
    whole = np.zeros((12, 24, 1), np.uint8)
    assert padding.pad(whole) is whole
    assert Padding(4).pad(np.full((3, 4, 1), 7, np.uint8))[3].tolist() == [[7]] * 4
