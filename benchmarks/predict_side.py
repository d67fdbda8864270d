"""One side of the comparison of prediction speed: a process that predicts a folder whenever it is told to.

python -m benchmarks.predict_side ours "fpn resnet50" images out      # "go" on standard input starts a turn
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import segmentation_models_pytorch as smp
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import resident
from benchmarks.predict_speed import NETWORKS

CLASSES = 19
MEAN, STD = np.array((0.485, 0.456, 0.406), np.float32), np.array((0.229, 0.224, 0.225), np.float32)


def peer_network(network: str) -> nn.Module:
    """Return their network with random weights, and statistics as a trained one has them."""
    kind, encoder = NETWORKS[network]
    torch.manual_seed(0)
    model: nn.Module = getattr(smp, kind)(encoder, encoder_weights=None, classes=CLASSES).eval()
    for module in model.modules():
        if (
            isinstance(module, nn.BatchNorm2d)
            and module.running_mean is not None
            and module.running_var is not None
        ):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model


def peer_predict(model: nn.Module, images: Path, out: Path) -> None:
    """Predict as the library's users do: OpenCV, normalise, `model.eval()`, `no_grad`, argmax, save."""
    for path in sorted(images.iterdir()):
        image: Any = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)  # type: ignore[arg-type]
        normal = (image.astype(np.float32) / 255.0 - MEAN) / STD
        tensor = torch.from_numpy(normal.transpose(2, 0, 1)).unsqueeze(0)
        with torch.no_grad():
            logits = model(tensor)
        mask = logits.argmax(dim=1).squeeze(0).cpu().numpy().astype(np.uint8)
        cv2.imwrite(str(out / path.name), mask)


def turn_of(side: str, network: str, images: Path, out: Path) -> Callable[[], object]:
    """Return what one turn of a side does."""
    theirs = peer_network(network)
    if side == "peer":
        return lambda: peer_predict(theirs, images, out)
    from terrazzo.checkpoint.save import make_card
    from terrazzo.core.labels import LabelMap
    from terrazzo.models.foreign import from_module
    from terrazzo.predict import Predictor, TorchBackend, WholeImage, predict_files
    from terrazzo.predict.files import plan_files, predict_one

    model = from_module(theirs)
    labels = LabelMap.of({f"class {k}": (k, k, k) for k in range(CLASSES)})
    inference = WholeImage(TorchBackend(model, fold=side != "plain"))
    predictor = Predictor(model, labels, make_card(model, labels), inference=inference)
    if side == "ours":
        return lambda: predict_files(predictor, images, out)
    asked = {"overlay": False, "probabilities": False, "confidence": False}
    plan = plan_files(sorted(images.iterdir()), out, **asked)
    return lambda: [predict_one(predictor, item) for item in plan]


def main() -> None:
    """Answer every line with a turn's time and the peak memory over what was resident before the first."""
    side, network, images, out = sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
    out.mkdir()
    turn = turn_of(side, network, images, out)
    count = len(list(images.iterdir()))
    size = cv2.imread(str(next(images.iterdir()))).shape[:2]  # type: ignore[union-attr]
    empty = peer_network(network).to("meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        empty(torch.zeros(1, 3, *size, device="meta"))
    facts: dict[str, Any] = {"gflop": counter.get_total_flops() / 1e9}
    print(json.dumps(facts), flush=True)
    before = resident("VmRSS")
    for _ in sys.stdin:
        start = time.perf_counter()
        turn()
        facts["seconds_per_image"] = (time.perf_counter() - start) / count
        facts["peak_mib"] = (resident("VmHWM") - before) / 2**20
        print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()
