"""From what a person types to a dataset."""

import subprocess
import sys
from pathlib import Path

import pytest

from terrazzo.core import ConfigError, RequestError
from terrazzo.datasets import build_dataset, open_dataset


def test_build_dataset__kinds_with_and_without_a_folder(heap: Path) -> None:
    assert build_dataset("folder", root=heap).kind == "folder"
    assert build_dataset("scenes", count=3).kind == "scenes"
    with pytest.raises(RequestError, match="'folder' needs a folder: write folder:PATH, or give root"):
        build_dataset("folder")
    with pytest.raises(RequestError, match="'scenes' is made on the fly and has no folder; leave"):
        build_dataset("scenes", root=heap)


def test_build_dataset__unknown_kind_and_option(heap: Path) -> None:
    with pytest.raises(RequestError, match="Unknown dataset kind 'foldr': did you mean 'folder'"):
        build_dataset("foldr", root=heap)
    with pytest.raises(RequestError, match="'folder' has no option 'fraction': did you mean 'fractions'"):
        build_dataset("folder", root=heap, fraction=(1, 0, 0))


def test_open_dataset__kind_and_path(heap: Path, tutorial_camvid: Path) -> None:
    assert open_dataset(f"camvid:{tutorial_camvid}", split="val").kind == "camvid"
    assert open_dataset(f"folder:{heap}", split="train", seed=1).kind == "folder"
    assert len(open_dataset("scenes", split="val", count=5)) == 5


def test_open_dataset__a_folder(heap: Path) -> None:
    assert len(open_dataset(heap, split="train")) == len(open_dataset(str(heap), split="train")) == 8


def test_open_dataset__yaml_with_paths_relative_to_it(heap: Path) -> None:
    (heap / "classes.json").rename(heap.parent / "names.json")
    path = heap.parent / "data.yaml"
    path.write_text("kind: folder\nroot: heap\nclasses: names.json\nfractions: [0.5, 0.3, 0.2]\n")
    assert len(open_dataset(path, split="train")) == 5
    assert len(open_dataset(path, split="train", fractions=(0.6, 0.2, 0.2))) == 6


def test_open_dataset__yaml_mistakes_name_the_file(heap: Path) -> None:
    path = heap.parent / "data.yaml"
    path.write_text("kind: folder\nroot: heap\nfractoins: [0.5, 0.3, 0.2]\n")
    with pytest.raises(ConfigError, match=r"data\.yaml: .*no option 'fractoins': did you mean 'fractions'"):
        open_dataset(path, split="train")
    path.write_text("kind: 3\n")
    with pytest.raises(ConfigError, match=r"kind is 3; expected one of .*camvid, .*folder, .*scenes"):
        open_dataset(path, split="train")
    path.write_text("kind: folder\nroot: heap\nsplit: val\n")
    with pytest.raises(ConfigError, match="split is chosen when the data are opened"):
        open_dataset(path, split="train")


def test_open_dataset__neither_path_nor_kind(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="Unknown dataset kind 'camvd': did you mean 'camvid'"):
        open_dataset("camvd:somewhere", split="val")
    with pytest.raises(RequestError, match="No data at 'nowhere': expected kind:path"):
        open_dataset("nowhere", split="val")


def test_import__is_cheap() -> None:
    """Listing what there is must need neither torch nor OpenCV."""
    heavy = {"torch", "cv2", "timm", "pyarrow", "datasets"}
    code = f"import sys, terrazzo.datasets; print({heavy} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_build_dataset__a_value_of_the_wrong_type_is_named() -> None:
    with pytest.raises(RequestError, match="Option count = 'many' of the dataset 'scenes'"):
        build_dataset("scenes", count="many")
