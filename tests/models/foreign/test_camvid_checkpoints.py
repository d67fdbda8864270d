"""Genuine checkpoints that others trained on CamVid: read as ours, they score on its validation images.

On all 101 images, void left out before the best class is taken, mIoU is 65.5 % for ENet and 69.3 % for
ESPNet, as with the repositories' own code; CGNet's 85.7 % says little, for it was trained on these images,
too. Here every tenth image is scored, so that it is quick; the bounds are two points below what comes out.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest

from terrazzo.datasets.camvid import LABELS, CamVid
from terrazzo.metrics import ConfusionCounts, score
from terrazzo.models.foreign import from_file
from terrazzo.predict import segment

SHARED = Path(__file__).parents[4] / "shared" / "data"


@dataclass(frozen=True)
class Checkpoint:
    """A file of the shared data."""

    layout: str
    file: str
    parameters: int
    bound: float
    """Of the mIoU on every tenth validation image."""


CHECKPOINTS = [
    Checkpoint("cgnet", "cgnet-camvid/cgnet_camvid.pth", 494_258, 0.84),
    Checkpoint("enet", "enet-camvid/enet_camvid.pth", 363_903, 0.63),
    Checkpoint("espnet", "espnet-camvid/espnet_p2_q8_camvid.pth", 354_517, 0.67),
]


@pytest.mark.skipif(
    not (SHARED / "weights").is_dir() or not (SHARED / "camvid").is_dir(),
    reason="the shared CamVid copy and checkpoints are not beside this checkout",
)
@pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=lambda checkpoint: checkpoint.layout)
def test_camvid_checkpoint__scores_as_it_was_trained_to(checkpoint: Checkpoint) -> None:
    path = SHARED / "weights" / checkpoint.file
    model = from_file(path, layout=checkpoint.layout, num_classes=LABELS.num_classes)
    assert sum(parameter.numel() for parameter in model.parameters()) == checkpoint.parameters
    dataset = CamVid(SHARED / "camvid", "val")
    counts = ConfusionCounts(LABELS.num_classes)
    for sample in (dataset[index] for index in range(0, len(dataset), 10)):
        counts.add(segment(model, sample["image"]), sample["mask"], sample["id"])
    assert score(counts, LABELS.names).miou > checkpoint.bound
