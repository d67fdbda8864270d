import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from terrazzo.core import RequestError, TerrazzoError
from terrazzo.evaluate.explorer import Contender
from terrazzo.evaluate.explorer import write as writing
from terrazzo.evaluate.explorer.pictures import draw_pictures
from terrazzo.figures.pictures import WRONG
from tests.evaluate.explorer.made import HOSTILE, layer_colors, sure, turned, written
from tests.evaluate.made import Made


class Tags(HTMLParser):
    """Collects tags with their attributes, and the page's data."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.text = page.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str]]] = []
        self._data = ""
        self._in_data = False
        self.feed(self.text)
        self.data: dict[str, Any] = json.loads(self._data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))
        self._in_data = dict(attrs).get("id") == "data"

    def handle_endtag(self, tag: str) -> None:
        self._in_data = False

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self._data += data


def pictures(page: Path) -> Path:
    (folder,) = page.parent.glob("explorer-pictures-*")
    return folder


def test_write_explorer__has_a_row_and_pictures_for_every_image(tmp_path: Path) -> None:
    dataset = Made(5, groups=["a", "a", "b", None, "b"])
    page = written(tmp_path / "out", dataset)
    data = Tags(page).data
    assert page == tmp_path / "out" / "index.html"
    assert [(row["id"], row["group"]) for row in data["images"]] == list(
        zip(dataset.ids, dataset.groups, strict=True)
    )
    assert data["pictures"] == pictures(page).name
    for row in data["images"]:
        names = {path.name for path in (pictures(page) / row["folder"]).iterdir()}
        assert names == {"image.jpg", "truth.png", "a.png", "a-error.png", "a-confidence.png", "pixels.css"}
        with Image.open(pictures(page) / row["folder"] / "image.jpg") as photo:
            assert [photo.height, photo.width] == row["size"]


def test_write_explorer__numbers_are_those_of_the_evaluation(tmp_path: Path) -> None:
    dataset = Made(4)
    model = sure(dataset)
    data = Tags(written(tmp_path, dataset, [model])).data
    miou = [row["models"][0]["miou"] for row in data["images"]]
    assert np.allclose(miou, model.evaluation.miou_per_image, atol=1e-6)
    assert data["models"][0]["matrix"] == model.evaluation.counts.pooled.tolist()


def test_write_explorer__of_two_models_compares_their_pixels(tmp_path: Path) -> None:
    dataset = Made(3)
    page = written(tmp_path, dataset, [sure(dataset), turned(dataset)])
    data = Tags(page).data
    assert [model["name"] for model in data["models"]] == ["nearest", "turned"]
    for row in data["images"]:
        first, second = row["models"]
        assert row["only"][0] > 0
        assert row["only"][0] - row["only"][1] == pytest.approx(
            first["accuracy"] - second["accuracy"], abs=3e-6
        )
        assert row["confidence"] == [True, False]
        names = {path.name for path in (pictures(page) / row["folder"]).iterdir()}
        assert {"b.png", "b-error.png", "compare.png"} <= names
        assert "b-confidence.png" not in names
    assert "Side by side" in page.read_text(encoding="utf-8")


def test_write_explorer__errors_are_painted_where_they_are(tmp_path: Path) -> None:
    dataset = Made(2)
    model = sure(dataset)
    page = written(tmp_path, dataset, [model])
    for index in range(2):
        shown = layer_colors(pictures(page) / f"{index:05}" / "a-error.png")
        truth = dataset[index]["mask"]
        ids = model.predict(dataset[index]["image"]).ids  # type: ignore[union-attr]  # an Answer
        right, void = ids == truth, truth == 255
        assert (shown[right & ~void][:, 3] == 0).all()
        assert (shown[~right & ~void] == (*WRONG, 255)).all()
        assert (shown[void][:, 3] == 255).all()
        assert not (shown[void][:, :3] == WRONG).all(axis=-1).any()


def test_write_explorer__pixels_tell_truth_and_prediction(tmp_path: Path) -> None:
    dataset = Made(1)
    models = [sure(dataset), turned(dataset)]
    page = written(tmp_path, dataset, models)
    text = (pictures(page) / "00000" / "pixels.css").read_text(encoding="ascii")
    (ids,) = re.findall(r'--ids:"([A-Za-z0-9+/=]+)";', text)
    with Image.open(io.BytesIO(base64.b64decode(ids))) as image:
        planes = np.asarray(image)
    sample = dataset[0]
    assert (planes[..., 0] == sample["mask"]).all()
    assert (planes[..., 1] == models[0].predict(sample["image"]).ids).all()  # type: ignore[union-attr]
    assert (planes[..., 2] == models[1].predict(sample["image"])).all()


def test_write_explorer__bounds_the_pictures(tmp_path: Path) -> None:
    class Large(Made):
        def read(self, index: int) -> Any:
            image, mask, source = super().read(index)
            return (
                image.repeat(40, axis=0).repeat(40, axis=1),
                mask.repeat(40, axis=0).repeat(40, axis=1),
                source,
            )

    data = Tags(written(tmp_path, Large(1))).data
    assert data["images"][0]["size"] == [800, 960]


def test_write_explorer__hostile_names_stay_text(tmp_path: Path) -> None:
    dataset = Made(names=HOSTILE, ids=[f"{HOSTILE[1]}{i}" for i in range(6)], groups=[HOSTILE[0]] * 6)
    page = written(
        tmp_path, dataset, [sure(dataset, HOSTILE[2]), turned(dataset, HOSTILE[0])], title=HOSTILE[2]
    )
    tags = Tags(page)
    scripts = [a for tag, a in tags.tags if tag == "script"]
    assert scripts == [{"type": "application/json", "id": "data"}, {}]
    assert not [a for _, attributes in tags.tags for a in attributes if a.startswith("on")]
    assert not [a for tag, a in tags.tags if tag == "img"]
    assert tags.data["images"][0]["id"] == f"{HOSTILE[1]}0"
    assert [entry["name"] for entry in tags.data["classes"]] == list(HOSTILE)
    files = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")]
    assert all(
        re.fullmatch(r"index\.html|explorer-pictures-\w{8}(/\d{5}(/[a-z-]+\.[a-z]+)?)?", f) for f in files
    )


def test_write_explorer__nothing_comes_from_a_network(tmp_path: Path) -> None:
    text = written(tmp_path, Made(2)).read_text(encoding="utf-8")
    assert "http" not in text.replace("http-equiv=", "")
    assert re.search(r"script-src 'sha256-[^']+'\">", text)  # no other script, not even from the disk


def test_write_explorer__keeps_the_report_as_its_head(tmp_path: Path) -> None:
    tags = Tags(written(tmp_path, Made(3), history=[{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}]))
    sections = {a["id"] for tag, a in tags.tags if tag == "section" and "id" in a}
    assert {"score", "classes", "confusion", "training", "protocol"} <= sections
    assert [a["data-chart"] for _, a in tags.tags if "data-chart" in a] == ["bars", "confusion", "training"]


def test_write_explorer__anchors_are_unique(tmp_path: Path) -> None:
    dataset = Made(2)
    tags = Tags(written(tmp_path, dataset, [sure(dataset), turned(dataset)]))
    anchors = [a["id"] for _, a in tags.tags if "id" in a]
    assert len(anchors) == len(set(anchors))
    named = {a[key] for _, a in tags.tags for key in ("aria-controls", "aria-labelledby", "for") if key in a}
    assert named <= set(anchors)


def test_write_explorer__replaces_its_own_page_and_leaves_other_files(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "explorer-pictures-mine").mkdir()
    first = pictures_of(written(tmp_path, Made(2)))
    (tmp_path / "explorer-pictures-0123abcd").mkdir()  # of a write that was killed
    second = pictures_of(written(tmp_path, Made(3)))
    assert first != second
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"notes.txt", "explorer-pictures-mine", "index.html", second}


def pictures_of(page: Path) -> str:
    name: str = Tags(page).data["pictures"]
    return name


FULL = OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("error", "raised"), [(KeyboardInterrupt(), KeyboardInterrupt), (FULL, TerrazzoError)]
)
def test_write_explorer__interrupted_shows_what_it_showed(
    tmp_path: Path, error: BaseException, raised: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, Made(2))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def torn(folder: Path, *arguments: Any) -> Any:
        if folder.name == "00001":
            raise error
        return draw_pictures(folder, *arguments)

    monkeypatch.setattr(writing, "draw_pictures", torn)
    with pytest.raises(raised) as caught:
        written(tmp_path, Made(3))
    if error is FULL:
        assert str(caught.value) == (
            f"The explorer cannot be written to {tmp_path}: No space left on device. "
            "Choose a folder that can be written and has space."
        )
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_write_explorer__refuses_a_page_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<h1>My site</h1>")
    with pytest.raises(RequestError, match=r"index\.html is in the way.*Move it, or choose another folder"):
        written(tmp_path, Made(1))
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_write_explorer__refuses_models_of_one_name_or_of_other_images(tmp_path: Path) -> None:
    dataset = Made(3)
    with pytest.raises(RequestError, match=r"\['nearest', 'nearest'\]; expected one, or two with different"):
        written(tmp_path, dataset, [sure(dataset), sure(dataset)])
    with pytest.raises(RequestError, match=r"'nearest' counted 3 images in 3 classes, but .* 2 images"):
        written(tmp_path, Made(2), [sure(dataset)])
    assert not list(tmp_path.iterdir())


def test_write_explorer__refuses_a_model_that_was_not_counted(tmp_path: Path) -> None:
    dataset = Made(2)
    wrong = Contender("wrong", sure(dataset).evaluation, turned(dataset).predict)
    with pytest.raises(RequestError, match=r"^image0: the model shown as 'wrong' predicts other labels"):
        written(tmp_path, dataset, [wrong])
    assert not list(tmp_path.iterdir())


def test_write_explorer__tells_its_progress(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    written(tmp_path, Made(3), progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_as_json__no_tag_begins_or_ends_in_it() -> None:
    data = {"a": list(HOSTILE)}
    text = writing.as_json(data)
    assert not set("<>&") & set(text)
    assert json.loads(text) == data
