"""Several data sources as one: labels by name, ids and groups unique, nothing merged without a word."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from terrazzo.core import ConfigError, LabelMap, RequestError
from terrazzo.core.labels import LabelClass
from terrazzo.datasets import build_dataset, open_dataset
from terrazzo.datasets.concat import Concat
from terrazzo.datasets.reconcile import reconcile
from tests.datasets import make_volumes
from tests.datasets.conftest import save_manifest

ROADS = LabelMap.of({"road": (1, 1, 1), "car": (2, 2, 2), "traffic sign": (3, 3, 3)})
STREETS = LabelMap.of({"Traffic-Sign": (3, 3, 3), "Road": (1, 1, 1), "automobile": (1, 1, 1 + 1)})


def small(root: Path, names: list[str], values: list[int], split: str = "train") -> str:
    """A folder of one pair a split whose mask holds the given ids."""
    for one in ("train", "val"):
        (root / one / "images").mkdir(parents=True)
        (root / one / "masks").mkdir()
        Image.fromarray(np.zeros((2, len(values), 3), np.uint8)).save(root / one / "images" / f"{one}.png")
        Image.fromarray(np.array([values] * 2, np.uint8)).save(root / one / "masks" / f"{one}.png")
    (root / "classes.json").write_text(json.dumps({"classes": names, "void_ids": [9]}))
    return f"folder:{root}"


def test_reconcile__by_name_and_alias() -> None:
    labels, tables = reconcile({"a": ROADS, "b": STREETS}, aliases={"car": ["automobile"]})
    assert labels.names == ("road", "car", "traffic sign")
    assert tables["a"][:4].tolist() == [0, 1, 2, 255]
    assert tables["b"][:4].tolist() == [2, 0, 1, 255]
    assert tables["b"][255] == tables["b"][-1] == 255
    assert [c.color for c in labels.classes] == [(1, 1, 1), (2, 2, 2), (3, 3, 3)]
    assert [c.raw_ids for c in labels.classes] == [(0,), (1,), (2,)]


def test_reconcile__every_difference_is_named_together() -> None:
    with pytest.raises(RequestError) as error:
        reconcile({"a": ROADS, "b": STREETS})
    message = str(error.value)
    assert "  a has no class 'automobile'\n  b has no class 'car'\n" in message
    assert "aliases ({car: [automobile]})" in message
    assert "missing: allow" in message


def test_reconcile__told_otherwise() -> None:
    labels, tables = reconcile({"a": ROADS, "b": STREETS}, missing="allow")
    assert labels.names == ("road", "car", "traffic sign", "automobile")
    assert tables["b"][:3].tolist() == [2, 0, 3]
    wanted = ["car", "road"]
    with pytest.raises(RequestError, match="a has 'traffic sign', which is not wanted"):
        reconcile({"a": ROADS}, classes=wanted)
    labels, tables = reconcile({"a": ROADS}, classes=wanted, unmatched="void")
    assert labels.names == ("car", "road")
    assert tables["a"][:3].tolist() == [1, 0, 255]


def test_reconcile__an_alias_may_join_classes_of_one_source() -> None:
    labels, tables = reconcile({"a": ROADS}, aliases={"thing": ["car", "traffic sign"]})
    assert labels.names == ("road", "thing")
    assert tables["a"][:3].tolist() == [0, 1, 1]


def test_reconcile__colours_that_clash_are_replaced() -> None:
    other = LabelMap.of({"tree": (1, 1, 1)})
    labels, _ = reconcile({"a": ROADS, "b": other}, missing="allow")
    assert labels.names[-1] == "tree"
    assert len({c.color for c in labels.classes}) == 4


def test_reconcile__more_than_255_classes() -> None:
    many = LabelMap(tuple(LabelClass(f"c{i}", (i % 256, i // 256, 9), (i,)) for i in range(300)), (999,))
    labels, tables = reconcile({"a": many, "b": ROADS}, missing="allow")
    assert labels.num_classes == 303
    assert labels.ignore_index == -1
    assert tables["a"][-1] == -1
    assert tables["b"][[0, 255]].tolist() == [300, -1]


@pytest.mark.parametrize(
    ("aliases", "sentence"),
    [
        (
            {"car": ["automobil"]},
            "'automobil' is given as another name of 'car', but no source .* 'automobile'",
        ),
        ({"auto": ["car"]}, "aliases name 'auto', which is no class"),
    ],
)
def test_reconcile__aliases_of_nothing(aliases: dict[str, list[str]], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        reconcile({"a": ROADS, "b": STREETS}, aliases=aliases, classes=["road", "car"])


def test_reconcile__names_alike_in_one_source_are_refused() -> None:
    with pytest.raises(RequestError, match="a has the classes 'road' and 'Road', which differ only in case"):
        reconcile({"a": LabelMap.of({"road": (0, 0, 0), "Road": (1, 1, 1)})})


def test_concat__masks_in_common_ids(tmp_path: Path) -> None:
    one = small(tmp_path / "one", ["road", "car"], [0, 1, 9])
    two = small(tmp_path / "two", ["Auto", "Road"], [0, 1, 9])
    data = Concat(sources=[one, two], aliases={"car": ["Auto"]})
    assert data.labels.names == ("road", "car")
    assert data.ids == ("folder-train", "folder2-train")
    assert data[0]["mask"][0].tolist() == [0, 1, 255]
    assert data[1]["mask"][0].tolist() == [1, 0, 255]
    assert data.mask(1)[0].tolist() == [1, 0, 255]


def test_concat__more_than_255_classes(tmp_path: Path) -> None:
    one = small(tmp_path / "one", [], [0, 8])
    (tmp_path / "one" / "classes.json").write_text(
        json.dumps({"classes": [{"name": f"c{i}", "id": i} for i in range(300)], "void_ids": [999]})
    )
    two = small(tmp_path / "two", ["c7", "c3"], [0, 1, 9])
    data = Concat(sources=[one, two], missing="allow")
    assert data[0]["mask"].dtype == np.int16
    assert data[0]["mask"][0].tolist() == [0, 8]
    assert data[1]["mask"][0].tolist() == [7, 3, -1]


def test_concat__groups_and_weights(heap: Path) -> None:
    sources: list[Any] = [
        {"source": str(save_manifest(heap)), "name": "mine", "weight": 2.0},
        {"source": f"folder:{heap}", "name": "heap", "options": {"group_pattern": "^(scene.)"}},
    ]
    data = Concat(sources=sources)
    assert data.groups[:2] == ("mine-scene0", "mine-scene0")
    assert all(str(g).startswith("heap-scene") for g in data.groups[6:])
    assert data.weights is not None
    assert data.weights[:6] == (2, 4, 6, 8, 10, 12)
    assert set(data.weights[6:]) == {1.0}
    assert any(note.startswith("heap: no split in the folder") for note in data.notes)
    assert Concat(sources=[sources[1]]).weights is None


def test_concat__a_source_may_lend_its_images_to_training_alone(tmp_path: Path) -> None:
    one = small(tmp_path / "one", ["road", "car"], [0, 1])
    two = {"source": small(tmp_path / "two", ["road", "car"], [0, 1]), "splits": ["train"]}
    assert len(Concat(sources=[one, two])) == 2
    assert Concat("val", sources=[one, two]).ids == ("folder-val",)
    with pytest.raises(RequestError, match="No source takes part in the split 'test'; sources: folder"):
        Concat("test", sources=[two])


def test_concat__paths_of_a_yaml_are_relative_to_it(heap: Path) -> None:
    save_manifest(heap)
    path = heap.parent / "both.yaml"
    path.write_text(
        "kind: concat\nsources:\n  - folder:heap\n  - {source: heap/samples.csv, name: table}\n  - heap\n"
    )
    data = open_dataset(path, split="train")
    assert len(data) == 8 + 6 + 8
    assert {name.partition("-")[0] for name in data.ids} == {"folder", "table", "heap"}


def test_concat__cache_on_disk_knows_the_sources(
    heap: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERRAZZO_CACHE", str(tmp_path / "cache"))
    plain = build_dataset("concat", sources=[f"folder:{heap}"])
    cached = build_dataset("concat", sources=[f"folder:{heap}"], cache="disk")
    assert all(np.array_equal(a["mask"], b["mask"]) for a, b in zip(plain, cached, strict=True))
    swapped: dict[str, Any] = {"sources": [f"folder:{heap}"], "classes": ["leaf", "ground"]}
    other = build_dataset("concat", cache="disk", **swapped)
    np.testing.assert_array_equal(other[0]["mask"] == 0, plain[0]["mask"] == 1)


@pytest.mark.parametrize(
    ("sources", "sentence"),
    [
        ([{"source": "scenes", "nam": "a"}], "sources, entry 1:\n  unknown key 'nam': did you mean 'name'"),
        ([{"source": "scenes", "name": "a"}] * 2, "Two sources are called 'a'; expected different names"),
        (["scenes", {"source": "scenes", "name": "b", "splits": ["trian"]}], "Unknown split 'trian'"),
        ([], "No source takes part in the split 'train'; sources: none"),
    ],
)
def test_concat__mistakes(sources: list[Any], sentence: str) -> None:
    with pytest.raises((ConfigError, RequestError), match=sentence):
        Concat(sources=sources)


def test_concat__other_channels_are_refused(heap: Path, tmp_path: Path) -> None:
    grey = tmp_path / "grey"
    small(grey, ["ground", "leaf"], [0, 1])
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(grey / "train" / "images" / "train.png")
    with pytest.raises(RequestError, match="folder has images of 3 channels and folder2 of 1; expected one"):
        Concat(sources=[f"folder:{heap}", f"folder:{grey}"])


def test_concat__volumes_of_two_sources(tmp_path: Path) -> None:
    one, two = (make_volumes.make(tmp_path / name, count=10) for name in ("one", "two"))
    data = build_dataset("concat", sources=[f"volumes:{one}", f"volumes:{two}"])
    assert data.sides == 3
    assert len(data) == 16
    first = build_dataset("volumes", root=one)[0]
    np.testing.assert_array_equal(data[0]["mask"], first["mask"])
    np.testing.assert_array_equal(data.mask(0), first["mask"])
    with pytest.raises(RequestError, match=r"resize is 0\.5, but the data of kind 'concat' are volumes"):
        build_dataset("concat", sources=[f"volumes:{one}"], resize=0.5)


def test_concat__images_beside_volumes_are_refused(heap: Path, tmp_path: Path) -> None:
    volumes = make_volumes.make(tmp_path / "volumes")
    with pytest.raises(RequestError, match="folder has images and volumes volumes; expected one of the two"):
        Concat(
            sources=[f"folder:{heap}", f"volumes:{volumes}"],
            classes=["leaf"],
            missing="allow",
            unmatched="void",
        )


def test_concat__ids_that_meet_are_refused(tmp_path: Path) -> None:
    sources = []
    for name, stem in (("a", "b-1"), ("a-b", "1")):
        root = tmp_path / name
        source = small(root, ["road", "car"], [0, 1])
        for kind in ("images", "masks"):
            (root / "train" / kind / "train.png").rename(root / "train" / kind / f"{stem}.png")
        sources.append({"source": source, "name": name})
    with pytest.raises(RequestError, match="The id 'a-b-1' comes twice over the sources"):
        Concat(sources=sources)
