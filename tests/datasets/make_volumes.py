"""A tiny Decathlon: NIfTI scans with axes in different orders, and dataset.json."""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np

nibabel: Any = importlib.import_module("nibabel")  # its types say less than it has

SIZE = (7, 8, 9)
"""Depth, height, width."""

AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
"""Columns and rows 2 mm apart, slices 3 mm: RAS+."""


def scan(number: int, size: tuple[int, int, int] = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Return values (D, H, W) in Hounsfield's range, and ids 0..2: a bright ball and a dark one within it."""
    rng = np.random.default_rng(number)
    z, y, x = np.indices(size)
    middle = np.array(size) / 2 + rng.uniform(-0.1, 0.1, 3) * size
    distance = np.sqrt(sum(((a - m) / s) ** 2 for a, m, s in zip((z, y, x), middle, size, strict=True)))
    labels = (distance < 0.35).astype(np.uint8) + (distance < 0.15)
    values = np.array([-800, 300, 40])[labels] + rng.normal(0, 30, size)
    return values.astype(np.int16), labels.astype(np.uint8)


def save(path: Path, array: np.ndarray, *, orientation: str = "RAS", **header: Any) -> None:
    """Write an array (D, H, W[, C]) as NIfTI with its axes stored in an orientation."""
    stored = np.moveaxis(array, (0, 1, 2), (2, 1, 0))
    image = nibabel.Nifti1Image(stored, AFFINE, **header)
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(orientation)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    image.as_reoriented(turn).to_filename(path)


def make(root: Path, *, count: int = 10, size: tuple[int, int, int] = SIZE) -> Path:
    """Write imagesTr and labelsTr; every other image has its axes in another order, its mask in a third."""
    for number in range(count):
        values, labels = scan(number, size)
        turned = number % 2 == 1
        save(root / "imagesTr" / f"ball_{number:03d}.nii.gz", values, orientation="LPS" if turned else "RAS")
        save(root / "labelsTr" / f"ball_{number:03d}.nii.gz", labels, orientation="PIR" if turned else "RAS")
    facts = {"labels": {"0": "background", "1": "shell", "2": "core"}, "modality": {"0": "CT"}}
    (root / "dataset.json").write_text(json.dumps(facts))
    return root
