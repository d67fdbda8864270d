"""Tiny folders of pairs in every layout, made on the spot."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

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


def save_manifest(heap: Path, suffix: str = ".csv") -> Path:
    """A table over the ten pairs of `heap`: six for training, two each for validation and test."""
    stems = [f"scene{i // 2}_{i}" for i in range(10)]
    table: dict[str, list[Any]] = {
        "image": [f"images/{stem}.png" for stem in stems],
        "mask": [f"masks/{stem}.png" for stem in stems],
        "split": ["train"] * 6 + ["validation"] * 2 + ["test"] * 2,
        "group": [stem.partition("_")[0] for stem in stems],
        "weight": list(range(1, 11)),
    }
    return write_table(heap / f"samples{suffix}", table)


def write_table(path: Path, table: dict[str, list[Any]]) -> Path:
    """Write columns as CSV or Parquet."""
    if path.suffix == ".parquet":
        import pyarrow as arrow
        from pyarrow import parquet

        parquet.write_table(arrow.table(table), path)
        return path
    lines = [",".join(table), *(",".join(map(str, row)) for row in zip(*table.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return path


def hub_rows(heap: Path, numbers: Iterable[int]) -> Any:
    """Some pairs of `heap` as a `datasets.Dataset` with images, masks, scenes and weights."""
    import datasets

    stems = [f"scene{i // 2}_{i}" for i in numbers]
    columns = {
        "image": [str(heap / "images" / f"{stem}.png") for stem in stems],
        "annotation": [str(heap / "masks" / f"{stem}.png") for stem in stems],
        "scene": [stem.partition("_")[0] for stem in stems],
        "wanted": [float(i) for i in range(len(stems))],
    }
    rows = datasets.Dataset.from_dict(columns)
    for name in ("image", "annotation"):
        rows = rows.cast_column(name, datasets.Image())
    return rows


def save_dataset_dict(heap: Path) -> Path:
    """The pairs of `heap` as `save_to_disk` writes them, with classes.json beside."""
    import datasets

    root = heap.parent / "saved"
    parts = {"train": range(6), "validation": range(6, 8), "test": range(8, 10)}
    whole = datasets.DatasetDict({name: hub_rows(heap, numbers) for name, numbers in parts.items()})
    whole.save_to_disk(str(root))
    (root / "classes.json").write_text((heap / "classes.json").read_text())
    return root
