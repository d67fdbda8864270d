import html
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from terrazzo.core import TerrazzoError
from terrazzo.evaluate import Evaluation, evaluate, write_report
from terrazzo.evaluate.examples import choose
from terrazzo.predict import segment
from tests.evaluate.made import Made, NearestColor

HISTORY = [{"step": str(i), "loss": str(1 / (i + 1)), "val/miou": "0.5" if i % 2 else ""} for i in range(6)]
HOSTILE = (
    '<script>alert("1")</script>',
    '"><img src="https://evil.example/x" onerror=alert(2)>',
    "--> {{ 7*7 }} $x$",
)


class Page(HTMLParser):
    """Collects tags with their attributes, marked facts, and table rows."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.facts: dict[str, str] = {}
        self.rows: list[list[str]] = []
        self._fact: str | None = None
        self._cell = False
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {key: value or "" for key, value in attrs}
        self.tags.append((tag, attributes))
        self._fact = attributes.get("data-fact")
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self._cell = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._fact = None
        if tag in {"td", "th"}:
            self._cell = False

    def handle_data(self, data: str) -> None:
        if self._fact:
            self.facts[self._fact] = self.facts.get(self._fact, "") + data
        if self._cell:
            self.rows[-1][-1] += data


def written(folder: Path, dataset: Made, **options: Any) -> tuple[Page, Evaluation]:
    model = NearestColor(dataset.labels.num_classes)
    evaluation = evaluate(model, dataset)
    path = write_report(
        folder / "report.html",
        evaluation,
        dataset=dataset,
        predict=lambda image: segment(model, image),
        title=options.pop("title", "A page"),
        **options,
    )
    return Page(path), evaluation


def test_write_report__shows_the_numbers_of_to_json(tmp_path: Path) -> None:
    page, evaluation = written(tmp_path, Made())
    data = evaluation.to_json()
    for key in ("miou", "pixel_accuracy", "mean_accuracy", "macro_f1", "fwiou"):
        assert page.facts[key] == f"{100 * data[key]:.1f}"
    assert (page.facts["low"], page.facts["high"]) == tuple(f"{100 * v:.1f}" for v in data["miou_interval"])
    assert page.facts["images"] == "6"
    assert page.facts["pixels"].replace("\u202f", "") == str(data["pixels"])
    shown = [row for row in page.rows if len(row) == 6][1:]
    for row, (k, entry) in zip(shown, enumerate(data["per_class"]), strict=True):
        expected = [f"{100 * entry[key]:.1f}" for key in ("iou", "f1", "precision", "recall")]
        share = f"{100 * entry['pixels'] / data['pixels']:.2f}"
        assert row == [f"{k}{entry['name']}", *expected, share]


def test_write_report__states_the_whole_protocol(tmp_path: Path) -> None:
    page, evaluation = written(tmp_path, Made())
    protocol = evaluation.protocol
    for key in ("tta", "tiles", "members", "postprocess", "resolution", "void", "averaging", "fingerprint"):
        assert html.escape(getattr(protocol, key)) in page.text
    for title in ("post-processing", "members", "tiles", "test-time augmentation"):
        assert f"<dt>{title}</dt>" in page.text


def test_write_report__fetches_nothing(tmp_path: Path) -> None:
    page, _ = written(tmp_path, Made(), history=HISTORY)
    for tag, attributes in page.tags:
        for key in ("src", "href", "xlink:href", "srcset", "action", "data", "poster"):
            target = attributes.get(key, "#")
            assert target.startswith(("#", "data:image/")), (tag, key, target[:80])
    assert all(target.startswith("#") for target in re.findall(r"url\(\s*['\"]?([^)]*)", page.text))
    assert "@import" not in page.text
    assert "http" not in re.sub(r'http-equiv="Content-Security-Policy"', "", page.text)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed", "base"}


def test_write_report__escapes_hostile_names(tmp_path: Path) -> None:
    dataset = Made(names=HOSTILE, ids=[f"{HOSTILE[1]}{i}" for i in range(6)], groups=[HOSTILE[0]] * 6)
    facts = {HOSTILE[0]: HOSTILE[1]}
    page, _ = written(
        tmp_path,
        dataset,
        title=HOSTILE[0],
        model_facts=facts,
        history=[{"step": 1, "loss": 2.0, f"loss/{HOSTILE[1]}": 1.0}],
    )
    assert not [tag for tag, _ in page.tags if tag == "script"]
    assert not [a for _, attributes in page.tags for a in attributes if a.startswith("on")]
    assert all(a["src"].startswith("data:image/") for tag, a in page.tags if tag == "img")
    assert page.rows[1][0] == f"0{HOSTILE[0]}"
    assert page.rows[3][0] == f"2{HOSTILE[2]}"


def test_write_report__shows_best_median_and_worst_with_four_pictures_each(tmp_path: Path) -> None:
    page, evaluation = written(tmp_path, Made(9))
    pictures = [a["alt"] for tag, a in page.tags if tag == "img"]
    assert len(pictures) == 9 * 4
    ranked = np.argsort(-evaluation.miou_per_image)
    best, worst = (evaluation.counts.ids[i] for i in (ranked[0], ranked[-1]))
    assert pictures[:4] == [f"{what} of {best}" for what in ("image", "ground truth", "prediction", "errors")]
    assert pictures[24:28] == [
        f"{what} of {worst}" for what in ("image", "ground truth", "prediction", "errors")
    ]


def test_write_report__has_unique_anchors_that_exist(tmp_path: Path) -> None:
    page, _ = written(tmp_path, Made(), history=HISTORY)
    anchors = [a["id"] for _, a in page.tags if "id" in a]
    assert len(anchors) == len(set(anchors))
    wanted = {a["href"][1:] for _, a in page.tags if a.get("href", "").startswith("#")}
    assert wanted <= set(anchors)


def test_write_report__draws_curves_only_where_there_is_a_history(tmp_path: Path) -> None:
    charts = [
        [a["data-chart"] for _, a in written(tmp_path, Made(), history=history)[0].tags if "data-chart" in a]
        for history in (HISTORY, None)
    ]
    assert charts == [["bars", "confusion", "training"], ["bars", "confusion"]]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_write_report__works_for_few_images(tmp_path: Path, count: int) -> None:
    page, _ = written(tmp_path, Made(count))
    assert "notice" in page.text
    assert len([1 for tag, _ in page.tags if tag == "img"]) == 4 * min(count, 3)


def test_write_report__lists_absent_classes(tmp_path: Path) -> None:
    class Narrow(Made):
        def read(self, index: int) -> Any:
            image, mask, source = super().read(index)
            mask[mask < 255] = 0
            return np.full_like(image, 0) + np.array((200, 30, 30), np.uint8), mask, source

    page, evaluation = written(tmp_path, Narrow())
    assert evaluation.scores.absent_classes == ("road", "car")
    assert "in no mean: road, car." in page.text
    assert page.rows[2][1:5] == ["–"] * 4


def test_write_report__replaces_the_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("old")
    written(tmp_path, Made(2))
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    assert "old" not in (tmp_path / "report.html").read_text(encoding="utf-8")[:10]


def test_write_report__says_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TerrazzoError, match=r"cannot be written to .*report\.html.*Choose a folder"):
        written(tmp_path / "file", Made(2))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9, 40])
def test_choose__takes_no_image_twice_and_ranks_rightly(count: int) -> None:
    evaluation = evaluate(NearestColor(), Made(count))
    chosen = choose(evaluation)
    miou = evaluation.miou_per_image
    everyone = [i for indices in chosen.values() for i in indices]
    assert len(everyone) == len(set(everyone)) == min(count, 3 * max(1, min(3, count // 3)))
    assert miou[chosen["best"][0]] == miou.max()
    if count > 1:
        assert miou[chosen["worst"][0]] == miou.min()
    if count == 40:
        assert abs(np.median(miou) - miou[chosen["median"]].mean()) < 0.01


def test_choose__leaves_void_images_out() -> None:
    class Empty(Made):
        def read(self, index: int) -> Any:
            image, mask, source = super().read(index)
            return image, np.full_like(mask, 255) if index == 1 else mask, source

    chosen = choose(evaluate(NearestColor(), Empty(3)))
    assert 1 not in [i for indices in chosen.values() for i in indices]
