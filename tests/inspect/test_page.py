import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from terrazzo.core import DataError
from terrazzo.datasets import SegmentationDataset
from terrazzo.datasets.camvid import CamVid
from terrazzo.inspect.page import write_page
from terrazzo.inspect.report import InspectReport, Suspect
from terrazzo.inspect.suspects import Probabilities, find_suspects
from terrazzo.transforms import PRESETS
from tests.inspect.world import NAMES, World, nearly_right, report, scene, swapped

CAMVID = Path(__file__).parents[3] / "shared" / "data" / "camvid"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "{{ 7*7 }}", "d'--><svg onload=x>")


class Page(HTMLParser):
    """Collects tags with their attributes, and the text of the cells of tables."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.rows: list[list[str]] = []
        self._cell = False
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self._cell = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self._cell = False

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.rows[-1][-1] += data.strip()

    def images(self) -> list[str]:
        return [a["alt"] for tag, a in self.tags if tag == "img"]


def written(
    folder: Path,
    facts: InspectReport | None = None,
    dataset: SegmentationDataset | None = None,
    predict: Probabilities | None = None,
) -> Page:
    path = write_page(folder, facts or report(), dataset, predict_probabilities=predict)
    assert path == folder / "inspect.html"
    return Page(path)


def test_page__findings_come_first_each_with_icon_word_and_advice(tmp_path: Path) -> None:
    text = written(tmp_path).text
    main = text[text.index("<main") :]
    assert re.findall(r'<section id="([a-z]+)"', main)[0] == "findings"
    assert re.findall(r'data-count="(\w+)">.*?</svg>\s*([^<]+)</span>', main, re.DOTALL) == [
        ("error", "1 error"),
        ("warning", "1 warning"),
        ("note", "1 note"),
    ]
    cards = re.findall(r'<article class="finding (\w+)">\n<h3><span[^>]*>(.*?)</span>', main, re.DOTALL)
    assert [kind for kind, _ in cards] == ["error", "warning", "note"]
    assert all("<svg" in head and head.strip().endswith(kind) for kind, head in cards)
    assert "A mask holds id 9." in main
    assert "Declare it." in main
    assert main.count("repaired by --fix") == 1


def test_page__long_lists_of_files_are_cut_with_their_number(tmp_path: Path) -> None:
    text = written(tmp_path).text
    assert "<summary>300 files</summary>" in text
    assert "f199.png" in text
    assert "f200.png" not in text
    assert "and 100 more" in text


def test_page__without_findings_it_says_so(tmp_path: Path) -> None:
    assert "Nothing found that needs attention." in written(tmp_path, report(())).text


def test_page__shows_the_shares_of_every_class(tmp_path: Path) -> None:
    rows = written(tmp_path).rows
    start = rows.index(["class", "pixels, %", "", "images, %"])
    shown = rows[start + 1 : start + 5]
    assert [row[0] for row in shown] == [f"{k}{name}" for k, name in enumerate(NAMES)]
    assert [row[1] for row in shown] == ["53.33", "40.00", "6.67", "0.00"]
    assert [row[3] for row in shown] == ["100.0", "100.0", "50.0", "0.0"]


def test_page__void_is_counted_by_itself(tmp_path: Path) -> None:
    assert "Void, which counts for neither: 6.2 % of the pixels." in written(tmp_path).text


def test_page__shows_cooccurrence_sizes_weights_and_advice(tmp_path: Path) -> None:
    page = written(tmp_path)
    assert ["0sky", "100", "100", "50", "0"] in page.rows
    assert ["2car", "100", "100", "100", "0"] in page.rows
    assert ["3sign", "–", "–", "–", "–"] in page.rows
    assert ["96 × 128", "", "29"] in page.rows
    assert ["2car", "9.25"] in page.rows
    assert "weight: [1.5, 2.5, 9.25, 50]" in page.text
    assert "crop: [96, 128]" in page.text
    assert "batch_size: 16" in page.text
    assert ["val", "10", "not known"] in page.rows


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_page__has_a_row_per_channel(tmp_path: Path, channels: int) -> None:
    page = written(tmp_path, report(channels=channels))
    names = ["red", "green", "blue"] if channels == 3 else [f"channel {i}" for i in range(channels)]
    assert [row[:3] for row in page.rows if row[0] in names] == [
        [name, str(100 + i), "20"] for i, name in enumerate(names)
    ]


def test_page__says_in_words_where_classes_live(tmp_path: Path) -> None:
    images = written(tmp_path).images()
    assert images == [
        "sky: centred 17 % down, 50 % from the left",
        "road: centred 92 % down, 50 % from the left",
        "car: centred 52 % down, 52 % from the left",
    ]


def test_page__gallery_lays_labels_over_samples_and_augmented_ones(tmp_path: Path) -> None:
    page = written(tmp_path, dataset=World())
    images = page.images()
    assert len([alt for alt in images if alt.startswith("sample ")]) == 12
    for what in ("original", *PRESETS):
        assert len([alt for alt in images if alt.startswith(f"{what} of scene_")]) == 3
    layers = [a for tag, a in page.tags if tag == "img" and a.get("class") == "layer"]
    assert len(layers) == 12 + 3 * (1 + len(PRESETS))
    sliders = [a for tag, a in page.tags if tag == "input"]
    labels = [a["for"] for tag, a in page.tags if tag == "label"]
    assert [a["type"] for a in sliders] == ["range", "range"]
    assert [a["id"] for a in sliders] == labels


def test_page__gallery_passes_over_what_cannot_be_read(tmp_path: Path) -> None:
    class Torn(World):
        def read(self, index: int) -> Any:
            if index != 2:
                raise DataError("torn")
            return super().read(index)

    samples = [alt for alt in written(tmp_path, dataset=Torn(3)).images() if alt.startswith("sample ")]
    assert samples == ["sample scene_02"]


def test_page__shows_suspects_side_by_side(tmp_path: Path) -> None:
    world = World(wrong={3: swapped(scene(3), 1, 2)})
    facts = report(suspects=find_suspects(world, nearly_right))
    four = ["image", "label", "model", "confident contradiction"]
    images = written(tmp_path, facts, world, nearly_right).images()
    assert images[:4] == [f"{what} of scene_03" for what in four]
    assert not [alt for alt in images if alt.startswith("label of scene_04")]
    assert written(tmp_path, facts, world).images()[:2] == ["image of scene_03", "label of scene_03"]
    assert "scene_03" in written(tmp_path, facts).text


def test_page__without_suspicious_images_it_says_so(tmp_path: Path) -> None:
    text = written(tmp_path, report(suspects=[Suspect("a.png", 0.1, "none")])).text
    assert "No label stands out among the 1 that the model was shown." in text
    assert 'id="suspects"' not in written(tmp_path).text


def test_page__the_only_script_is_ours_and_nothing_is_fetched(tmp_path: Path) -> None:
    world = World(12, names=HOSTILE, ids=[f"{HOSTILE[1]}{i}" for i in range(12)])
    suspects = [Suspect(f"{HOSTILE[1]}3", 0.9, HOSTILE[0])]
    page = written(tmp_path, report(suspects=suspects, names=HOSTILE, data=HOSTILE[3]), world, nearly_right)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not [a for _, attributes in page.tags for a in attributes if a.startswith("on")]
    for tag, attributes in page.tags:
        for key in ("src", "href", "srcset", "action", "data"):
            target = attributes.get(key, "#")
            assert target.startswith(("#", "data:image/png;", "data:image/jpeg;")), (tag, key, target[:80])
    assert "http" not in page.text.replace("http-equiv=", "")


def test_page__anchors_are_unique_and_exist(tmp_path: Path) -> None:
    world = World(wrong={3: swapped(scene(3), 1, 2)})
    page = written(tmp_path, report(suspects=find_suspects(world, nearly_right)), world, nearly_right)
    anchors = [a["id"] for _, a in page.tags if "id" in a]
    assert len(anchors) == len(set(anchors))
    assert {a["href"][1:] for _, a in page.tags if a.get("href", "").startswith("#")} <= set(anchors)


def test_page__works_for_data_of_which_nothing_is_known(tmp_path: Path) -> None:
    from dataclasses import replace

    bare = replace(
        report(),
        images=0,
        splits={},
        sizes=(),
        classes=(),
        channels=replace(report().channels, mean=(), std=()),
        cooccurrence=(),
        location=(),
        class_weights={},
        recommendation=None,
    )
    page = written(tmp_path, bare)
    assert "Repair the findings first." in page.text
    assert 'id="classes"' not in page.text


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed here")
@pytest.mark.skipif(not CAMVID.is_dir(), reason="the shared CamVid copy is not beside this checkout")
def test_page__of_camvid_has_no_console_error_in_chromium(tmp_path: Path) -> None:
    dataset = CamVid(CAMVID, "val")
    written(tmp_path, report(), dataset)
    messages = browsed(tmp_path / "inspect.html", tmp_path, "--dump-dom")
    assert "CONSOLE" not in messages.stderr
    # The script ran: it alone shows the sliders and says their value.
    assert messages.stdout.count('aria-valuetext="50 per cent labels"') == 2
    assert '<div class="slider">' in re.sub(r' hidden=""', " HIDDEN", messages.stdout)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed here")
def test_page__chromium_reports_what_the_policy_forbids(tmp_path: Path) -> None:
    written(tmp_path, dataset=World(2))
    page = tmp_path / "inspect.html"
    text = page.read_text(encoding="utf-8")
    page.write_text(
        text.replace("</body>", "<script>document.title = 'foreign'</script></body>"), encoding="utf-8"
    )
    messages = browsed(page, tmp_path, "--dump-dom")
    assert "CONSOLE" in messages.stderr
    assert "<title>foreign" not in messages.stdout


def browsed(page: Path, home: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Open a page in headless Chromium."""
    fixed = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        "--window-size=390,900",
    ]
    command = [str(BROWSER), *fixed, f"--user-data-dir={home / 'profile'}", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
