"""`torch.compile` takes the networks whole: no graph break, the same numbers."""

import shutil
from collections.abc import Callable
from typing import Any

import pytest
import torch

from terrazzo.models import build_model
from terrazzo.models.base import SegmentationModel
from tests.models.contract import images


def convolutional() -> SegmentationModel:
    options: dict[str, Any] = {"encoder_options": {"channels": [8, 16, 32, 64]}, "segmentation_channels": 32}
    return build_model("fpn", num_classes=4, encoder="resnet10t", **options)


def transformer() -> SegmentationModel:
    return build_model("segformer", num_classes=4, encoder="mit_b0", decoder_channels=32)


@pytest.mark.parametrize("build", [convolutional, transformer])
def test_compile__takes_the_whole_network_in_training(build: Callable[[], SegmentationModel]) -> None:
    torch.manual_seed(0)
    model = build().eval()  # eval, so that no dropout hides a difference; gradients flow all the same
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    image = images(2, 3, 97, 131)
    expected, given = model(image), compiled(image)
    assert (given.stride, given.size) == (expected.stride, expected.size)
    torch.testing.assert_close(given.logits, expected.logits, atol=1e-5, rtol=1e-5)
    torch.autograd.backward(given.logits.square().sum())
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
@pytest.mark.parametrize("build", [convolutional, transformer])
def test_compile__gives_the_same_numbers_from_compiled_code(build: Callable[[], SegmentationModel]) -> None:
    torch.manual_seed(0)
    model = build().eval()
    image = images(2, 3, 96, 128)
    with torch.no_grad():
        expected, given = model(image), torch.compile(model, fullgraph=True)(image)
    torch.testing.assert_close(given.logits, expected.logits, atol=1e-4, rtol=1e-4)
