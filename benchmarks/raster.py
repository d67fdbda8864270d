"""A raster of 40,000 x 40,000 pixels: time, peak memory, and the same bytes after being killed.

    python -m benchmarks.raster [--size 40000] [--tile 1024] [--folder DIR] [--out FILE.json]

The network is four small convolutions at stride 4, so that reading, blending, widening and writing are
measured, and not a network. Each prediction is a process of its own; its peak is what the system counts for
it (VmHWM), Python, PyTorch and GDAL included. A quarter of the side is predicted as well: flat memory
means that the large raster takes hardly more. Labels are compared with those of windows predicted at once.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.machine import facts, resident, warn_if_busy
from terrazzo.checkpoint.save import make_card
from terrazzo.core.labels import LabelMap
from terrazzo.models.base import SegmentationModel
from terrazzo.predict import Predictor

RESULT = Path("benchmarks/results/raster.json")
LABELS = LabelMap.of({"water": (30, 80, 180), "field": (200, 190, 90), "wood": (20, 110, 50)})
LIMIT_BYTES = 1_500_000_000
BLOCK, FIELD = 512, 64
"""Side of a block of the file, and of a field of one colour in the picture, pixels."""


class Tiny(SegmentationModel):
    """4 x 4 pixels become a logit, which looks three logits further."""

    def __init__(self) -> None:
        super().__init__(num_classes=LABELS.num_classes, in_channels=3, stride=4, multiple=4)
        middle = [layer for _ in range(3) for layer in (nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))]
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 4, stride=4), *middle, nn.Conv2d(8, LABELS.num_classes, 1)
        )

    def logits(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, K, H / 4, W / 4)."""
        logits: Tensor = self.layers(image_BCHW)
        return logits


def predictor() -> Predictor:
    """Return the tiny network with weights from a seed."""
    torch.manual_seed(3)
    model = Tiny().eval()
    with torch.no_grad():
        logits = model(torch.from_numpy(strip(0, 512).transpose(2, 0, 1)[None])).logits
        last = model.layers[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        last.bias.sub_(logits.mean(dim=(0, 2, 3)))  # so that every class wins somewhere
    return Predictor(model, LABELS, make_card(model, labels=LABELS))


def strip(first: int, width: int, rows: int = BLOCK) -> NDArray[np.uint8]:
    """Return some rows (rows, width, 3) of the picture: fields of one colour each, which compress well."""
    rng = np.random.default_rng(first)
    colors = rng.integers(0, 256, (-(-rows // FIELD), -(-width // FIELD), 3), dtype=np.uint8)
    return colors.repeat(FIELD, axis=0).repeat(FIELD, axis=1)[:rows, :width]


def make(path: Path, size: int) -> None:
    """Write the raster block row by block row."""
    import rasterio
    from affine import Affine

    place = {"crs": "EPSG:32631", "transform": Affine(0.5, 0, 500000, 0, -0.5, 5000000)}
    inside = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "compress": "deflate", "zlevel": 1}
    shape = {"height": size, "width": size, "count": 3, "dtype": "uint8", "BIGTIFF": "IF_SAFER"}
    with rasterio.open(path, "w", driver="GTiff", num_threads=2, **place, **inside, **shape) as file:
        for first in range(0, size, BLOCK):
            rows = min(BLOCK, size - first)
            window = ((first, first + rows), (0, size))
            file.write(strip(first, size, rows).transpose(2, 0, 1), window=window)


def predict_here(path: Path, out: Path, tile: int) -> dict[str, Any]:
    """Predict in this process, and say what it took."""
    from terrazzo.predict.raster.run import predict_raster

    begin = time.perf_counter()
    some = predictor()
    before = resident("VmHWM")
    seen: list[tuple[int, int]] = [(0, 0)]
    done = predict_raster(some, path, out, tile=tile, overlap=tile // 8, progress=lambda *at: seen.append(at))
    seconds = time.perf_counter() - begin
    return {
        "size": list(done.size),
        "tiles": done.tiles,
        "tile_count": seen[-1][1],
        "resumed": done.resumed,
        "seconds": round(seconds, 1),
        "megapixels_per_second": round(done.size[0] * done.size[1] / seconds / 1e6, 1),
        "peak_bytes_before": before,
        "peak_bytes": resident("VmHWM"),
        "result_bytes": out.stat().st_size,
    }


def child(path: Path, out: Path, tile: int) -> "subprocess.Popen[str]":
    """Start a prediction in a process of its own."""
    asked = json.dumps([str(path), str(out), tile])
    command = [sys.executable, "-m", "benchmarks.raster", "--one", asked]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finished(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Wait for it, and return what it says."""
    text, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"A prediction ended with {process.returncode}.")
    found: dict[str, Any] = json.loads(text.splitlines()[-1])
    return found


def killed_and_continued(path: Path, out: Path, tile: int, kills: int) -> dict[str, Any]:
    """Kill a prediction whenever more rows are finished; let it end, and compare with one left alone."""
    alone = out.with_name("alone.tif")
    finished(child(path, alone, tile))
    journal = out.with_name(f".{out.name}.work") / "journal.jsonl"

    def lines() -> int:
        return len(journal.read_text().splitlines()) if journal.exists() else 0

    killed_at = []
    for _ in range(kills):
        before = max(lines(), 1)
        process = child(path, out, tile)
        while process.poll() is None and lines() <= before:
            time.sleep(0.005)
        process.kill()
        process.communicate()
        killed_at.append(lines())
    last = finished(child(path, out, tile))
    return last | {"journal_lines_at_kills": killed_at, "same_bytes": digest(alone) == digest(out)}


def agreement(path: Path, out: Path, windows: int) -> float:
    """Return the share of labels that equal those of windows predicted at once, away from their borders."""
    import rasterio
    from rasterio.windows import Window

    rng = np.random.default_rng(1)
    some, side, margin, equal = predictor(), 1024, 64, []
    with rasterio.open(path) as image, rasterio.open(out) as mask:
        for _ in range(windows):
            row, column = (4 * int(rng.integers(0, max((length - side) // 4, 1))) for length in image.shape)
            window = Window(column, row, side, side)
            ids = some.predict(image.read(window=window).transpose(1, 2, 0))
            same = ids == mask.read(1, window=window)
            equal.append(same[margin:-margin, margin:-margin].mean())
    return float(np.mean(equal))


def digest(path: Path) -> str:
    """Return the hash of a file, read in parts."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run(folder: Path, size: int, tile: int) -> dict[str, Any]:
    """Make rasters, predict them, and gather the figures."""
    small, large = folder / "small.tif", folder / "large.tif"
    begin = time.perf_counter()
    make(small, size // 4)
    make(large, size)
    made = time.perf_counter() - begin
    at_quarter = finished(child(small, folder / "small_ids.tif", tile))
    at_size = finished(child(large, folder / "large_ids.tif", tile))
    again = killed_and_continued(small, folder / "small_again.tif", tile // 4, kills=3)
    return {
        "machine": facts(),
        "made_seconds": round(made, 1),
        "raster_bytes": large.stat().st_size,
        "quarter_of_the_side": at_quarter,
        "full": at_size,
        "full_over_quarter_peak": round(at_size["peak_bytes"] / at_quarter["peak_bytes"], 3),
        "below_limit": at_size["peak_bytes"] < LIMIT_BYTES,
        "labels_as_windows_at_once": agreement(large, folder / "large_ids.tif", 8),
        "killed": again,
    }


def main() -> None:
    """Run it all, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=40_000)
    parser.add_argument("--tile", type=int, default=1024)
    parser.add_argument("--folder", type=Path, help="for the rasters; by default a temporary one")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--one", help="predict one raster in this process: a JSON list")
    options = parser.parse_args()
    if options.one:
        path, out, tile = json.loads(options.one)
        print(json.dumps(predict_here(Path(path), Path(out), tile)))
        return
    warn_if_busy()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        found = run(Path(folder), options.size, options.tile)
    print(json.dumps(found, indent=1))
    options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
