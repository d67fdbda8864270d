"""The picture of a network."""

from pathlib import Path

import numpy as np
import torch

from terrazzo.core.images import read_image
from terrazzo.figures import draw_architecture
from terrazzo.models import build_model
from terrazzo.models.receptive_field import ReceptiveField
from terrazzo.models.wiring import trace_wiring


def test_draw_architecture__draws_maps_arrows_and_field(tmp_path: Path) -> None:
    with torch.device("meta"):
        model = build_model("fpn", num_classes=5, encoder="resnet10t")
    nodes = trace_wiring(model, (64, 64))
    gradient = np.zeros((64, 64), dtype=np.float32)
    gradient[24:40, 24:40] = 1 / 256
    draw_architecture(tmp_path / "alone.svg", nodes, title="A pyramid")
    text = (tmp_path / "alone.svg").read_text()
    assert text.count("<!-- 256 -->") == 5  # the widths of four laterals and a level of the encoder
    draw_architecture(tmp_path / "both.png", nodes, ReceptiveField(gradient, (16, 16), 15))
    wide, alone = read_image(tmp_path / "both.png"), tmp_path / "alone.png"
    draw_architecture(alone, nodes)
    assert wide.shape[1] > read_image(alone).shape[1] + 300
    assert len(np.unique(wide.reshape(-1, wide.shape[2]), axis=0)) > 20
