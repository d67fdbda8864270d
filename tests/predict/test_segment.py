"""The one path from an image to labels: any dtype, any size, any mode, the same answer."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from terrazzo.core.errors import DataError
from terrazzo.core.prediction import to_probabilities
from terrazzo.models import build_model
from terrazzo.models.base import SegmentationModel
from terrazzo.predict.backends.torch_backend import _full_precision
from terrazzo.predict.segment import infer, probabilities, segment, to_ids


def unet(**options: Any) -> SegmentationModel:
    torch.manual_seed(3)
    return build_model("unet", num_classes=5, num_blocks=1, **options)


@pytest.fixture(scope="module")
def model() -> SegmentationModel:
    return unet()


def photo(height: int = 41, width: int = 58, channels: int = 3) -> Any:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.mark.parametrize("size", [(33, 33), (41, 58), (64, 47)])
def test_segment__labels_at_the_images_own_size(model: SegmentationModel, size: tuple[int, int]) -> None:
    ids = segment(model, photo(*size))
    assert ids.shape == size
    assert ids.dtype == np.uint8
    assert ids.max() < 5


def test_segment__is_the_argmax_of_the_full_size_logits(model: SegmentationModel) -> None:
    image = photo()
    with torch.no_grad():
        prediction = copy.deepcopy(model).eval()(torch.from_numpy(image).permute(2, 0, 1)[None])
    logits_KHW = prediction.full_size()[0]
    first, second = logits_KHW.topk(2, dim=0).values
    clear = (first - second > 1e-3).numpy()
    assert clear.mean() > 0.9
    assert (segment(model, image) == logits_KHW.argmax(0).numpy())[clear].all()


def test_probabilities__sum_to_one_and_agree_with_the_labels(model: SegmentationModel) -> None:
    prediction = infer(model, photo())
    shares = to_probabilities(prediction)
    assert shares.shape == (5, 41, 58)
    assert shares.dtype == np.float32
    np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-5)
    top = np.sort(shares, axis=0)
    clear = top[-1] - top[-2] > 1e-5
    assert (shares.argmax(axis=0) == to_ids(prediction))[clear].all()
    np.testing.assert_array_equal(shares, probabilities(model, photo()))


def test_segment__every_module_gets_its_own_mode_back() -> None:
    model = unet().train()
    frozen = next(module for module in model.modules() if isinstance(module, nn.BatchNorm2d)).eval()
    before = {name: module.training for name, module in model.named_modules()}
    counts = {name: tensor.clone() for name, tensor in model.named_buffers()}
    segment(model, photo())
    assert {name: module.training for name, module in model.named_modules()} == before
    assert not frozen.training
    assert model.training
    assert all(torch.equal(tensor, counts[name]) for name, tensor in model.named_buffers())


def test_segment__the_mode_comes_back_after_an_error() -> None:
    model = unet().train()
    with pytest.raises(Exception, match="33"):
        segment(model, photo(10, 10))
    assert model.training


def test_segment__training_mode_changes_nothing(model: SegmentationModel) -> None:
    image = photo()
    np.testing.assert_array_equal(segment(copy.deepcopy(model).train(), image), segment(model, image))


def test_infer__the_same_bits_in_any_memory_format(model: SegmentationModel) -> None:
    """Training keeps its weights channels-last, a loaded model does not: their scores must not differ."""
    other = copy.deepcopy(model).to(memory_format=torch.channels_last)
    assert torch.equal(infer(model, photo()).logits, infer(other, photo()).logits)


def test_infer__float32_whatever_is_around_it(model: SegmentationModel) -> None:
    plain = infer(model, photo()).logits
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = infer(model, photo()).logits
    assert inside.dtype == torch.float32
    assert torch.equal(inside, plain)


def test_full_precision__pinned_on_a_gpu_and_given_back() -> None:
    """The settings can be read without a GPU; whether it obeys them is not tested here."""
    torch.set_float32_matmul_precision("high")
    cudnn: Any = torch.backends.cudnn
    matmul = torch.backends.cuda.matmul
    cudnn.benchmark = True
    try:
        with _full_precision(torch.device("cuda")):
            assert (cudnn.conv.fp32_precision, matmul.fp32_precision, cudnn.benchmark) == (
                "ieee",
                "ieee",
                False,
            )
        assert torch.get_float32_matmul_precision() == "high"
        assert (matmul.fp32_precision, cudnn.benchmark) == ("tf32", True)
    finally:
        torch.set_float32_matmul_precision("highest")
        cudnn.benchmark = False


def test_infer__leaves_no_graph(model: SegmentationModel) -> None:
    assert not infer(model, photo()).logits.requires_grad


def test_segment__wide_integers_and_floats_in_the_same_units(model: SegmentationModel) -> None:
    image = photo()
    expected = segment(model, image)
    for dtype in (np.uint16, np.int32, np.float32, np.float64):
        np.testing.assert_array_equal(segment(model, image.astype(dtype)), expected)


def test_segment__sixteen_bits_are_not_cut_to_eight() -> None:
    model = unet(in_channels=1, mean=[30000.0], std=[20000.0])
    image = np.random.default_rng(1).integers(0, 65536, (40, 40, 1), dtype=np.uint16)
    assert not np.array_equal(segment(model, image), segment(model, image & 255))


def test_segment__any_memory_layout_is_read_right(model: SegmentationModel) -> None:
    image = photo()
    expected = segment(model, image)
    turned = np.asfortranarray(image)
    turned.flags.writeable = False
    np.testing.assert_array_equal(segment(model, turned), expected)
    np.testing.assert_array_equal(segment(model, image[:, ::-1][:, ::-1]), expected)


def test_segment__an_image_without_channel_axis_has_one() -> None:
    model = unet(in_channels=1)
    image = photo(channels=1)
    np.testing.assert_array_equal(segment(model, image[:, :, 0]), segment(model, image))


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (photo(channels=4), "The image has 4 channels, but the model takes 3 channels. Convert the image"),
        (photo(channels=1)[:, :, 0], "The image has 1 channel, but the model takes 3 channels"),
        (np.zeros((0, 40, 3), np.uint8), r"shape \(0, 40, 3\); expected \(H, W, C\) with at least one pixel"),
        (np.zeros((1, 40, 40, 3), np.uint8), r"shape \(1, 40, 40, 3\); expected \(H, W, C\)"),
    ],
)
def test_segment__images_that_do_not_fit(model: SegmentationModel, image: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        segment(model, image)
