"""Parameters, multiply-adds and stages, counted by hand on small networks."""

import json

import pytest
import torch
from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.models import MODELS, build_model
from terrazzo.models.base import SegmentationModel
from terrazzo.models.summary import describe, list_models, summarise


class Tiny(SegmentationModel):
    """Every kind of layer that is counted."""

    def __init__(self) -> None:
        super().__init__(num_classes=5, in_channels=2, stride=1, multiple=2)
        self.down = nn.Conv2d(2, 4, kernel_size=3, stride=2, padding=1, groups=2)
        self.up = nn.ConvTranspose2d(4, 6, kernel_size=2, stride=2)
        self.mix = nn.Linear(6, 5)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        out: Tensor = self.mix(self.up(self.down(image_BCHW)).movedim(1, -1))
        return out.movedim(-1, 1)


def test_summarise__counts_multiply_adds_and_activations() -> None:
    model = Tiny()
    summary = summarise(model, (34, 40))
    pixels = 34 * 40
    # 3x3 over 1 channel per group at a quarter of the pixels; each of those feeds 2x2 of 6; then 6 to 5.
    assert summary.macs == 4 * 9 * pixels // 4 + 4 * 6 * 4 * pixels // 4 + 6 * 5 * pixels
    outputs = 4 * pixels // 4 + 6 * pixels + 5 * pixels
    assert summary.activation_bytes == 4 * (outputs + 2 * pixels)  # and the normalised image
    assert summary.parameters == (4 * 9 + 4) + (4 * 6 * 4 + 6) + (6 * 5 + 5)
    assert model.training


def test_summarise__lists_stages_with_shapes_and_strides() -> None:
    summary = describe("unet", size=(64, 96), num_classes=7, num_blocks=2)
    rows = [(stage.name, stage.shape, stage.stride) for stage in summary.stages if "[" not in stage.name]
    assert rows == [
        ("encoder.blocks.0", (64, 32, 48), 2),
        ("encoder.blocks.1", (128, 16, 24), 4),
        ("encoder.bottom", (256, 16, 24), 4),
        ("decoder.bottom", (256, 16, 24), 4),
        ("decoder.blocks.0", (128, 32, 48), 2),
        ("decoder.blocks.1", (64, 64, 96), 1),
        ("decoder.classify", (7, 64, 96), 1),
    ]
    totals = [stage for stage in summary.stages if stage.parameters is not None]
    assert sum(stage.parameters or 0 for stage in totals) == summary.parameters
    assert sum(stage.macs or 0 for stage in totals) == summary.macs


def test_summarise__takes_apart_what_is_not_called_as_a_whole() -> None:
    options = {"img_size": 64, "embed_dim": 32, "depth": 4, "num_heads": 2}
    summary = describe("eomt", size=(64, 96), encoder_options=options)
    stages = {stage.name: stage for stage in summary.stages}
    tokens = 4 * 6 + 5  # patches, a class token and four registers
    assert stages["encoder.body.patch_embed"].shape == (32, 4, 6)
    assert stages["encoder.body.patch_embed"].stride == 16
    first = stages["encoder.body.blocks.0"]
    assert (first.shape, first.stride) == ((32, tokens), None)
    # queries, keys, values and their projection, two layers of the MLP; then attention itself
    assert first.macs == tokens * 12 * 32**2 + 2 * 32 * tokens**2
    assert stages["upscale"].stride == 4
    assert sum(stage.macs or 0 for stage in summary.stages) <= summary.macs


def test_summarise__shows_what_does_not_run_without_a_shape() -> None:
    stages = {stage.name: stage for stage in describe("fastscnn", size=(64, 96)).stages}
    assert stages["auxiliary.0"].shape is None
    assert stages["auxiliary.0"].macs == 0
    assert (stages["auxiliary.0"].parameters or 0) > 0


def test_summarise__shows_every_level_of_an_encoder() -> None:
    summary = describe("fpn", size=(97, 131), encoder="resnet10t")
    levels = [(stage.name, stage.stride) for stage in summary.stages if stage.name.startswith("encoder")]
    assert levels == [("encoder", 32), *((f"encoder[{i}]", 2 ** (i + 1)) for i in range(5))]
    assert (summary.stride, summary.image_size) == (4, (97, 131))
    json.dumps(summary.to_json())


def test_summarise__agrees_with_the_multiply_adds_of_torch() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    model = build_model("unet-timm", num_classes=3, encoder="resnet10t").eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, 64, 64))
    assert 2 * summarise(model, (64, 64)).macs == counter.get_total_flops()


def test_summarise__refuses_a_size_that_the_model_refuses() -> None:
    with pytest.raises(RequestError, match="models take sides from 33"):
        summarise(Tiny(), (10, 10))


def test_list_models__knows_every_architecture() -> None:
    listed = {entry.name: entry for entry in list_models(num_classes=8)}
    assert listed.keys() == MODELS.keys()
    assert listed["unet"].encoder is None
    assert (listed["fpn"].stride, listed["unet"].stride) == (4, 1)
    assert all(entry.parameters > 300_000 and "https://" in entry.paper for entry in listed.values())
    json.dumps([entry.to_json() for entry in listed.values()])
