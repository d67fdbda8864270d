"""Batch norm over processes: where it is on, and that the weights stay those of the plain network.

What it computes on several GPUs is torch's; it does not run on a CPU.
"""

import pytest
import torch
from torch import nn

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.train.average import AveragedModel
from terrazzo.train.sync_norm import Setting, share_batch_norms, wants_sync


@pytest.mark.parametrize(
    ("setting", "processes", "device", "wanted"),
    [
        ("auto", 2, "cuda", True),
        ("auto", 2, "cpu", False),
        ("auto", 1, "cuda", False),
        (True, 2, "cuda", True),
        (True, 1, "cpu", False),
        (False, 2, "cuda", False),
    ],
)
def test_wants_sync__on_cuda_with_several_processes(
    setting: Setting, processes: int, device: str, wanted: bool
) -> None:
    assert wants_sync(setting, processes=processes, device=device) is wanted


def test_wants_sync__on_a_cpu_is_refused() -> None:
    with pytest.raises(RequestError, match=r"2 processes are on cpu: torch\.nn\.SyncBatchNorm works on CUDA"):
        wants_sync(True, processes=2, device="cpu")


@pytest.mark.parametrize("encoder", ["resnet10t", "mobilenetv3_small_100"])
def test_share_batch_norms__keeps_weights_names_and_outputs(encoder: str) -> None:
    torch.manual_seed(0)
    model = build_model("unet-timm", num_classes=3, encoder=encoder)
    plain = AveragedModel(model, 0.0)
    parameters = [id(parameter) for parameter in model.parameters()]
    share_batch_norms(model)
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert norms
    assert all(isinstance(norm, nn.SyncBatchNorm) for norm in norms)
    assert not any(isinstance(norm, nn.SyncBatchNorm) for norm in plain.model.modules())
    assert [id(parameter) for parameter in model.parameters()] == parameters
    plain.model.load_state_dict(model.state_dict())
    image = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():  # the activations inside timm's norms are still there
        assert torch.equal(model.eval()(image).logits, plain.model(image).logits)


def test_share_batch_norms__the_average_follows_the_shared_statistics() -> None:
    model = build_model("unet-timm", num_classes=3, encoder="resnet10t")
    average = AveragedModel(model, 0.0)
    share_batch_norms(model)
    with torch.no_grad():
        model.get_buffer("encoder.body.bn1.running_mean").fill_(7.0)
        model.get_buffer("encoder.body.bn1.num_batches_tracked").fill_(5)
    average.update(1)
    assert set(average.model.get_buffer("encoder.body.bn1.running_mean").tolist()) == {7.0}
    assert average.model.get_buffer("encoder.body.bn1.num_batches_tracked") == 5
