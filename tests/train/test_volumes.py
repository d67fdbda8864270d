"""A V-Net trains on NIfTI files and is scored on whole volumes."""

from pathlib import Path
from typing import Any

import pytest

from terrazzo.core import RequestError
from terrazzo.core.volume_files import read_label_volume, read_space, read_volume
from terrazzo.datasets import build_dataset
from terrazzo.evaluate import evaluate
from terrazzo.predict import Predictor, load, predict_files
from terrazzo.train import build_recipe, train
from tests.datasets.make_volumes import make


def recipe(root: Path, **changes: Any) -> Any:
    data: dict[str, Any] = {
        "data": {"kind": "volumes", "root": str(root), "options": {"fractions": [0.5, 0.25, 0.25]}},
        "transforms": {"crop": [33, 33, 33], "preset": "standard"},
        "model": {
            "kind": "vnet",
            "options": {"dimensions": 3, "first_width": 2, "norm": "batch", "mean": [-200], "std": [500]},
        },
        "loss": {"parts": [{"kind": "cross_entropy"}, {"kind": "dice"}]},
        "optimizer": {"lr": 0.01},
        "train": {"steps": 24, "batch_size": 2, "workers": 0, "validations": 1, "ema": 0, "device": "cpu"},
    }
    return build_recipe({name: {**section, **changes.get(name, {})} for name, section in data.items()})


def test_train__vnet_on_volumes_learns_and_is_scored_whole(tmp_path: Path) -> None:
    root = make(tmp_path / "balls", count=8, size=(18, 40, 36))
    result = train(recipe(root), tmp_path / "run")
    counts = result.evaluation.counts
    assert int(counts.pooled.sum()) == len(counts) * 18 * 40 * 36, "every voxel counts, none of the padding"
    assert result.evaluation.scores.miou > 0.5, "all background is 0.27"
    page = (tmp_path / "run" / "report.html").read_text()
    assert "data:image" in page

    predictor = load(result.folder.best)
    again = evaluate(
        predictor.model, build_dataset("volumes", root=root, split="val", fractions=[0.5, 0.25, 0.25])
    )
    assert (again.counts.pooled == counts.pooled).all()
    ids = predictor.predict(root / "imagesTr" / "ball_001.nii.gz")
    assert ids.shape == (18, 40, 36)
    assert (ids == predictor.predict(read_volume(root / "imagesTr" / "ball_001.nii.gz"))).all()
    check_files(predictor, root / "imagesTr", tmp_path / "masks")


def check_files(predictor: Predictor, folder: Path, out: Path) -> None:
    """Predict a folder into NIfTI files that lie where their images do."""
    written = predict_files(predictor, folder, out)
    assert len(written) == 8
    assert written[1].mask == out / "ball_001.nii.gz"
    assert (read_label_volume(written[1].mask) == predictor.predict(written[1].image)).all()
    assert not read_space(written[1].mask).differs_from(read_space(written[1].image))
    assert sorted(path.name for path in out.iterdir()) == [f"ball_{i:03d}.nii.gz" for i in range(8)]
    with pytest.raises(RequestError, match="Overlays are pictures of images; this model takes volumes"):
        predict_files(predictor, folder, out, overlay=True)


def test_train__workers_change_nothing(tmp_path: Path) -> None:
    root = make(tmp_path / "balls", count=6, size=(34, 34, 34))
    facts = [
        train(recipe(root, train={"steps": 2, "workers": n}), tmp_path / str(n)).folder.last for n in (0, 1)
    ]
    one, other = ((folder / "model.safetensors").read_bytes() for folder in facts)
    assert one == other


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"transforms": {"crop": [64, 64]}},
            r"crop is \[64, 64\], but the data of kind 'volumes' have 3 sides; expected \(depth",
        ),
        (
            {"model": {"options": {}}},
            "are volumes .*, but the model 'vnet' takes images .*set model.kind=vnet and",
        ),
        (
            {"data": {"kind": "scenes", "root": None, "options": {"count": 2}}},
            "crop is .*'scenes' have 2 sides",
        ),
    ],
)
def test_train__volumes_and_images_are_not_mixed(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    root = make(tmp_path / "balls", count=6)
    with pytest.raises(RequestError, match=sentence):
        train(recipe(root, **changes), tmp_path / "run")
