"""Tiny folders of pairs in every layout, made on the spot."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Save = Callable[..., None]

SAMPLES = Path(__file__).parents[3] / "shared" / "data" / "samples"

CLASSES = {
    "classes": [{"name": "ground", "color": [90, 70, 50]}, {"name": "leaf", "color": [20, 160, 40]}],
    "void_ids": [9],
}


def genuine(name: str) -> Path:
    """Return the folder of a dataset's genuine samples; skips the test where it is not there."""
    folder = SAMPLES / name
    if not folder.is_dir():
        pytest.skip("the genuine samples are not beside this checkout")
    return folder


def link_genuine_voc(root: Path) -> Path:
    """Link the genuine masks of VOC 2012 and write the lists that the sample lacks; return the folder."""
    inner = genuine("voc2012") / "VOCdevkit" / "VOC2012"
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    for name in ("JPEGImages", "SegmentationClass", "SegmentationClassRaw"):
        (root / name).symlink_to(inner / name)
    for split, stems in (("train", "2007_004189 2010_005582"), ("val", "2007_006449 2008_002536")):
        (root / "ImageSets" / "Segmentation" / f"{split}.txt").write_text(stems.replace(" ", "\n"))
    return root


def save_pair(
    images: Path, masks: Path, stem: str, *, size: tuple[int, int] = (6, 8), mask_name: str | None = None
) -> None:
    """Write one image and mask; their content follows from the name, so no two are alike."""
    rng = np.random.default_rng(sum(map(ord, stem)))
    images.mkdir(parents=True, exist_ok=True)
    masks.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(images / f"{stem}.png")
    mask = rng.choice(np.array([0, 1, 9], dtype=np.uint8), size)
    Image.fromarray(mask).save(masks / f"{mask_name or stem}.png")


def save_pairs(images: Path, masks: Path, stems: Iterable[str]) -> None:
    """Write several pairs."""
    for stem in stems:
        save_pair(images, masks, stem)


def make_heap(root: Path) -> Path:
    """Write images/ and masks/ with ten pairs of five scenes, and classes.json."""
    save_pairs(root / "images", root / "masks", [f"scene{i // 2}_{i}" for i in range(10)])
    (root / "classes.json").write_text(json.dumps(CLASSES))
    return root


def make_tutorial_camvid(root: Path) -> Path:
    """Write the SegNet tutorial's layout, three frames a split."""
    for split, sequence in (("train", "0001TP"), ("val", "0016E5"), ("test", "Seq05VD")):
        stems = [f"{sequence}_{i:06d}" for i in range(3)]
        save_pairs(root / split, root / f"{split}annot", stems)
        lines = [f"/SegNet/CamVid/{split}/{s}.png /SegNet/CamVid/{split}annot/{s}.png" for s in stems]
        (root / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def heap(tmp_path: Path) -> Path:
    """images/ and masks/ with ten pairs of five scenes, and classes.json."""
    return make_heap(tmp_path / "heap")


@pytest.fixture
def tutorial_camvid(tmp_path: Path) -> Path:
    """The SegNet tutorial's layout, three frames a split."""
    return make_tutorial_camvid(tmp_path / "CamVid")
