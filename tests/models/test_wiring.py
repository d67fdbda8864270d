"""What feeds which, found without being told."""

import torch

from terrazzo.models import build_model
from terrazzo.models.wiring import trace_wiring


def test_trace_wiring__finds_the_skips_of_a_unet() -> None:
    with torch.device("meta"):
        model = build_model("unet-timm", num_classes=5, encoder="resnet10t")
    nodes = {node.name: node for node in trace_wiring(model, (64, 96))}
    assert nodes["encoder[0]"].feeds_on == ("image",)
    assert nodes["decoder.0"].feeds_on == ("encoder[3]", "encoder[4]")
    assert nodes["decoder.3"].feeds_on == ("decoder.2", "encoder[0]")
    assert nodes["decoder.4"].feeds_on == ("decoder.3",)
    assert nodes["logits"].feeds_on == ("classify",)
    assert (nodes["encoder[4]"].shape, nodes["encoder[4]"].stride) == ((512, 2, 3), 32)
    assert next(iter(nodes)) == "image"
    assert list(nodes)[-1] == "logits"
    assert model.training


def test_trace_wiring__sees_sums_of_a_pyramid() -> None:
    with torch.device("meta"):
        model = build_model("fpn", num_classes=5, encoder="resnet10t")
    nodes = {node.name: node for node in trace_wiring(model, (64, 64))}
    assert nodes["branches.0.convs.0"].feeds_on == ("lateral.0", "lateral.1", "lateral.2", "lateral.3")
    assert "encoder[0]" in nodes  # through encoder[1]
    assert nodes["lateral.3"].feeds_on == ("encoder[4]",)
