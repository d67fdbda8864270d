"""On a GPU: kernels agree with float64 on the CPU, and a mixed-precision run trains, saves and loads."""

from pathlib import Path

import pytest
import torch

from terrazzo.checkpoint import load_model
from terrazzo.core.prediction import upsample
from terrazzo.kernels import upsample_argmax, upsample_cross_entropy
from terrazzo.train import build_recipe, train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; none is here")


def test_kernels__agree_with_float64_on_the_cpu() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 7, 9, 12, dtype=torch.float64)
    target = torch.randint(0, 7, (2, 33, 47), dtype=torch.uint8)
    target[:, :5] = 255
    exact = logits.clone().requires_grad_()
    full = upsample(exact, (33, 47), stride=4)
    loss = torch.nn.functional.cross_entropy(full, target.long(), ignore_index=255)
    torch.autograd.backward(loss)
    ours = logits.float().cuda().requires_grad_()
    value = upsample_cross_entropy(ours, target.cuda(), stride=4)
    torch.autograd.backward(value)
    torch.testing.assert_close(value.cpu().double(), loss.detach(), rtol=1e-5, atol=0)
    assert ours.grad is not None
    torch.testing.assert_close(ours.grad.cpu().double(), exact.grad, rtol=1e-4, atol=1e-8)
    labels = upsample_argmax(logits.float().cuda(), (33, 47), stride=4).cpu()
    assert (labels == full.argmax(dim=1)).float().mean() > 0.999


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_train__runs_on_the_device_and_loads_on_the_cpu(tmp_path: Path, precision: str) -> None:
    recipe = build_recipe(
        {
            "data": {"options": {"size": [64, 96], "count": 6}},
            "transforms": {"crop": [48, 64]},
            "model": {"kind": "unet-timm", "encoder": "resnet10t"},
            "train": {
                "steps": 3,
                "batch_size": 4,
                "device": "cuda",
                "precision": precision,
                "validations": 1,
            },
        }
    )
    result = train(recipe, tmp_path)
    assert result.steps == 3
    model, _ = load_model(tmp_path / "best", device="cpu")
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
