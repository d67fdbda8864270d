"""Draw the pictures of docs/gallery.md from the demo's model, on unseen built-in scenes.

python docs/gallery.py runs/demo/run/best docs/gallery
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import av
import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from PIL import Image

from terrazzo.cli.main import app
from terrazzo.core import Sample
from terrazzo.core.images import read_image, read_mask
from terrazzo.datasets import build_dataset
from terrazzo.figures import as_rgb, error_map, overlay
from terrazzo.figures.contact_sheet import Cell, contact_sheet

Picture = NDArray[np.uint8]
SCENES = build_dataset("scenes", split="test", count=16)
LABELS = SCENES.labels


def terrazzo(*words: str | Path) -> None:
    """Run the command line in this process."""
    print("terrazzo", *words)
    app(args=[str(word) for word in words], prog_name="terrazzo", standalone_mode=False)


def painted(sample: Sample, ids: NDArray[np.integer]) -> Picture:
    """Return an image with labels over it."""
    return overlay(sample["image"], ids, LABELS, alpha=0.8)


def folder_of(samples: list[Sample], home: Path) -> Path:
    """Write images as files."""
    home.mkdir()
    for number, sample in enumerate(samples):
        Image.fromarray(sample["image"]).save(home / f"{number}.png")
    return home


def ids_of(path: Path) -> NDArray[np.integer]:
    """Read labels that `predict` wrote."""
    ids: NDArray[np.integer] = LABELS.encode(read_mask(path))
    return ids


def doubt(model: str, home: Path) -> Picture:
    """Show errors, and how sure the model was, in two ways."""
    samples = [SCENES[index] for index in (1, 4)]
    photos = folder_of(samples, home / "doubted")
    for kind in ("max", "entropy"):
        terrazzo("predict", model, photos, "--out", home / kind, "--confidence", kind)
    rows = []
    for number, sample in enumerate(samples):
        ids = ids_of(home / "max" / f"{number}.png")
        wrong = error_map(ids, sample["mask"], image=sample["image"])
        sure = [as_rgb(read_image(home / kind / f"{number}_confidence.png")) for kind in ("max", "entropy")]
        pictures = (sample["image"], painted(sample, ids), wrong, *sure)
        words = ("image", "prediction", "errors", "--confidence max", "--confidence entropy")
        rows.append([Cell(picture, (text,)) for picture, text in zip(pictures, words, strict=True)])
    return contact_sheet(rows)


def after(model: str, home: Path) -> Picture:
    """Show what test-time augmentation and post-processing change."""
    ways: dict[str, list[str]] = {
        "as it is": [],
        "--tta hflip,scale=0.75:1.25": ["--tta", "hflip,scale=0.75:1.25"],
        "--drop-clusters 60": ["--drop-clusters", "60"],
        "--postprocess guided=4": ["--postprocess", "guided=4"],
    }
    samples = [SCENES[index] for index in (3, 9)]
    photos = folder_of(samples, home / "after")
    rows = [[Cell(painted(sample, sample["mask"]), ("truth",))] for sample in samples]
    for place, (words, options) in enumerate(ways.items()):
        out = home / f"after-{place}"
        terrazzo("predict", model, photos, "--out", out, *options)
        for number, sample in enumerate(samples):
            rows[number].append(Cell(painted(sample, ids_of(out / f"{number}.png")), (words,)))
    return contact_sheet(rows)


def raster(model: str, home: Path) -> Picture:
    """Show a GeoTIFF of 12 scenes and the labels that come back, cut into tiles on the way."""
    rows = [np.hstack([SCENES[4 * row + column]["image"] for column in range(4)]) for row in range(3)]
    mosaic = np.vstack(rows)
    place = {"crs": "EPSG:32631", "transform": Affine(0.5, 0, 500000, 0, -0.5, 5000000)}
    shape = {"height": mosaic.shape[0], "width": mosaic.shape[1], "count": 3, "dtype": "uint8"}
    with rasterio.open(home / "land.tif", "w", driver="GTiff", **shape, **place) as file:
        file.write(mosaic.transpose(2, 0, 1))
    terrazzo(
        "predict", model, home / "land.tif", "--out", home / "mapped", "--tile", "256", "--confidence", "max"
    )
    with rasterio.open(home / "mapped/land.tif") as file:
        colours = np.array([file.colormap(1)[value][:3] for value in range(256)], dtype=np.uint8)
        labels = colours[file.read(1)]
    with rasterio.open(home / "mapped/land_confidence.tif") as file:
        sure = as_rgb(file.read(1))
    words = ("land.tif", "labels, by the file's own colour table", "confidence")
    pictures = zip((mosaic, labels, sure), words, strict=True)
    return contact_sheet([[Cell(picture, (text,)) for picture, text in pictures]], width=420)


def video(model: str, home: Path) -> Picture:
    """Show frames of a camera that turns over a scene, side by side with their labels."""
    wide = np.hstack([SCENES[index]["image"] for index in (2, 5)])
    frames = home / "frames"
    frames.mkdir()
    width = SCENES[0]["image"].shape[1]
    for number in range(12):
        Image.fromarray(wide[:, 12 * number : 12 * number + width]).save(frames / f"{number}.png")
    options = ("--fps", "12", "--video-as", "side-by-side", "--smooth", "0.5")
    terrazzo("predict", model, frames, "--out", home / "seen", *options)
    with av.open(str(home / "seen/frames_side_by_side.mp4")) as file:
        shown = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    return contact_sheet([[Cell(shown[number], (f"frame {number}",)) for number in (0, 5, 10)]], width=420)


def report(model: str, home: Path) -> Picture:
    """Photograph what the meters found, on the report's page."""
    page = home / "report.html"
    terrazzo("evaluate", model, "scenes", "--split", "test", "--metrics", "all", "--report", page)
    alone = "<style>header, footer, section:not(#meters) { display: none }</style></head>"
    page.write_text(page.read_text(encoding="utf-8").replace("</head>", alone), encoding="utf-8")
    shot = home / "shot.png"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1200,1700"]
    options += [f"--user-data-dir={home / 'profile'}", f"--screenshot={shot}", page.as_uri()]
    subprocess.run(["chromium", *options], check=True, capture_output=True)
    with Image.open(shot) as image:
        return np.asarray(image.convert("RGB"))


def main(model: str, target: str) -> None:
    """Draw all of them."""
    Path(target).mkdir(parents=True, exist_ok=True)
    for draw in (doubt, after, raster, video, report):
        with tempfile.TemporaryDirectory() as folder:
            picture = draw(model, Path(folder))
        Image.fromarray(picture).save(Path(target) / f"{draw.__name__}.jpg", quality=82, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
