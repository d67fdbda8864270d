"""The page as a person uses it: in headless Chromium, opened from the disk."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from terrazzo.evaluate.explorer import Contender
from tests.evaluate.explorer.browser import BROWSER, NO_BROWSER, Browser
from tests.evaluate.explorer.made import HOSTILE, Graded, sure, turned, written
from tests.evaluate.made import Made

pytestmark = pytest.mark.skipif(BROWSER is None, reason=NO_BROWSER)

COUNT = 52
"""Images: more than the 48 that a page of the list holds."""

SHOWN = "[...document.querySelectorAll('#grid .name')].map(e => e.textContent)"
ADDRESS = "Object.fromEntries(new URLSearchParams(location.hash.slice(1)))"
FOCUS = "document.activeElement.dataset.focus || document.activeElement.id"


class World:
    """The page of one model, that of two, one with hostile names, and what the numbers are."""

    def __init__(self, folder: Path) -> None:
        self.data = Graded(COUNT)
        self.first: Contender = sure(self.data)
        self.second: Contender = turned(self.data)
        self.one = written(folder / "one", self.data, [self.first])
        self.two = written(folder / "two", self.data, [self.first, self.second])
        hostile = Made(3, names=HOSTILE, ids=[f"{HOSTILE[k]}{k}" for k in range(3)], groups=HOSTILE)
        pair = [sure(hostile, HOSTILE[0]), turned(hostile, HOSTILE[1])]
        self.hostile = written(folder / "hostile", hostile, pair, title=HOSTILE[2])

    def ranked(self, key: Any, *, largest: bool = False) -> list[str]:
        order = sorted(range(COUNT), key=lambda i: (-key(i) if largest else key(i), i))
        return [self.data.ids[i] for i in order]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("explorer"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("home")) as browser:
        yield browser


@pytest.fixture
def browser(shared: Browser) -> Iterator[Browser]:
    """The one browser; whatever the console said during a test fails it."""
    shared.complaints.clear()
    yield shared
    assert shared.complaints == []


def test_page__lists_the_worst_first_a_page_at_a_time(browser: Browser, world: World) -> None:
    browser.open(world.one)
    expected = world.ranked(lambda i: world.first.evaluation.miou_per_image[i])
    assert browser.run(SHOWN) == expected[:48]
    assert browser.run("document.getElementById('count').textContent") == "52 images, worst first"
    browser.run("document.querySelector('#pager button:last-child').click()")
    assert browser.run(SHOWN) == expected[48:]
    browser.run("history.back()")
    browser.wait(f"({SHOWN}).length === 48")


def test_page__sorts_by_the_iou_of_a_class_either_way(browser: Browser, world: World) -> None:
    def car(i: int) -> float:
        matrix = world.first.evaluation.counts.matrix(i)
        return float(matrix[2, 2] / (matrix[2].sum() + matrix[:, 2].sum() - matrix[2, 2]))

    browser.open(world.one, "#sort=iou-2")
    assert browser.run(SHOWN) == world.ranked(car)[:48]
    browser.run("document.getElementById('turn').click()")
    assert browser.run(SHOWN) == world.ranked(car, largest=True)[:48]
    assert browser.run(ADDRESS) == {"sort": "iou-2", "reverse": "1"}


def test_page__sorts_by_id_and_pages_by_address(browser: Browser, world: World) -> None:
    browser.open(world.one, "#sort=id&page=2")
    assert browser.run(SHOWN) == [f"image{i}" for i in range(48, 52)]


def test_page__filters_by_confusion_from_the_list_and_from_the_table(browser: Browser, world: World) -> None:
    def taken(i: int) -> float:
        matrix = world.second.evaluation.counts.matrix(i)
        return float(matrix[1, 2] / matrix.sum())

    expected = [id for id in world.ranked(taken, largest=True) if taken(world.data.ids.index(id)) > 0]
    browser.open(world.two, "#model=1")
    browser.run("document.querySelector('#pairs button[aria-label^=\"road taken for car\"]').click()")
    assert browser.run(SHOWN) == expected[:48]
    assert browser.run(ADDRESS) == {"model": "1", "pair": "1.2", "sort": "pair"}
    browser.run("document.querySelector('#chips button').click()")
    assert browser.run(ADDRESS) == {"model": "1"}


def test_page__the_table_of_confusions_is_walked_by_arrows(browser: Browser, world: World) -> None:
    browser.open(world.two, "#model=1&pair=0.2")
    browser.run("document.getElementById('matrix-open').click()")
    reached = "[...document.querySelectorAll('#matrix-cells [tabindex=\"0\"]')].map(b => b.dataset.cell)"
    assert browser.run(reached) == ["0.2"]
    browser.run("document.querySelector('[data-cell=\"0.2\"]').focus()")
    browser.press("ArrowDown", "ArrowLeft", "ArrowRight", "ArrowLeft")  # over the diagonal and back
    assert browser.run("document.activeElement.dataset.cell") == "1.0"
    browser.press("ArrowRight")
    assert "road taken for car" in browser.run("document.getElementById('matrix-said').textContent")
    browser.press("Enter")
    assert browser.run(ADDRESS)["pair"] == "1.2"
    assert browser.run("document.getElementById('matrix').open") is False


@pytest.mark.parametrize(
    ("mode", "test"),
    [
        ("present", lambda m: m[3].sum() > 0),
        ("wrong", lambda m: m[3].sum() + m[:, 3].sum() > 2 * m[3, 3]),
        ("missed", lambda m: m[3].sum() > 0 and m[3, 3] == 0),
        ("invented", lambda m: m[3].sum() == 0 and m[:, 3].sum() > 0),
    ],
)
def test_page__filters_by_class(browser: Browser, world: World, mode: str, test: Any) -> None:
    browser.open(world.two, f"#model=1&class=3&mode={mode}&sort=id")
    counts = world.second.evaluation.counts
    expected = [id for i, id in enumerate(counts.ids) if test(counts.matrix(i))]
    assert browser.run(SHOWN) == expected[:48]
    text = browser.run("document.getElementById('count').textContent")
    assert text.startswith(f"{len(expected)} of 52" if len(expected) < 52 else "52 images")


def test_page__filters_by_score_group_and_text(browser: Browser, world: World) -> None:
    miou = world.first.evaluation.miou_per_image
    browser.open(world.one, "#low=30&high=60&group=south&sort=id")
    expected = [f"image{i}" for i in range(0, COUNT, 3) if 0.3 <= miou[i] <= 0.6]
    assert browser.run(SHOWN) == expected
    assert len(expected) in range(1, 18)
    browser.open(world.one, "#q=IMAGE1&sort=id")
    assert browser.run(SHOWN) == ["image1", *(f"image{i}" for i in range(10, 20))]
    browser.open(world.one, "#q=nowhere")
    assert browser.run("document.querySelector('#grid .empty').textContent") == "No image fits these filters."


def test_page__two_models_sort_by_who_is_right(browser: Browser, world: World) -> None:
    first, second = (model.evaluation.miou_per_image for model in (world.first, world.second))
    browser.open(world.two, "#sort=gain")
    gained = world.ranked(lambda i: round(float(second[i]), 6) - round(float(first[i]), 6), largest=True)
    assert browser.run(SHOWN) == gained[:48]
    browser.open(world.two, "#sort=only-a")
    shares = "JSON.parse(document.getElementById('data').textContent).images.map(r => r.only[0])"
    only = browser.run(shares)
    assert browser.run(SHOWN) == world.ranked(lambda i: only[i], largest=True)[:48]


def test_page__is_worked_by_keys(browser: Browser, world: World) -> None:
    expected = world.ranked(lambda i: world.first.evaluation.miou_per_image[i])
    browser.open(world.one)
    browser.press("j", "j", "k", "ArrowRight")
    assert browser.run(FOCUS) == f"card {expected[1]}"
    browser.press("2")
    assert browser.run(ADDRESS) == {"layer": "prediction"}
    assert browser.run(FOCUS) == f"card {expected[1]}"
    browser.press("Enter")
    browser.wait("document.getElementById('detail').open")
    assert browser.run(ADDRESS)["image"] == expected[1]
    browser.press("j", "4")
    assert browser.run(ADDRESS) == {"image": expected[2], "layer": "confidence"}
    browser.press("ArrowLeft", "ArrowLeft", "ArrowLeft")
    assert browser.run(ADDRESS)["image"] == expected[0]
    browser.press("Escape")
    browser.wait("!document.getElementById('detail').open")
    assert browser.run(FOCUS) == f"card {expected[0]}"
    browser.press("/")
    assert browser.run(FOCUS) == "q"
    browser.press("i", "m", "a", "g", "e", "7")
    assert browser.run(SHOWN) == ["image7"]
    browser.press("Escape", "j")
    assert browser.run(FOCUS) == "card image7"
    browser.press("?")
    assert browser.run("document.getElementById('keys').open") is True
    browser.press("Escape")
    assert browser.run("document.getElementById('keys').open") is False


def test_page__going_on_reaches_the_next_page(browser: Browser, world: World) -> None:
    browser.open(world.one, "#sort=id&image=image47")
    assert browser.run("document.getElementById('place').textContent") == "48 of 52"
    browser.press("ArrowRight", "Escape")
    browser.wait("!document.getElementById('detail').open")
    assert browser.run(ADDRESS) == {"sort": "id", "page": "2"}
    assert browser.run(FOCUS) == "card image48"


def test_page__back_closes_the_image(browser: Browser, world: World) -> None:
    browser.open(world.one)
    browser.run("document.querySelector('.card').click()")
    browser.wait("document.getElementById('detail').open")
    browser.run("history.back()")
    browser.wait("!document.getElementById('detail').open")


def test_page__the_wipe_follows_mouse_and_keys(browser: Browser, world: World) -> None:
    browser.open(world.one, "#image=image1&layer=truth&left=prediction")
    box = browser.run("document.querySelector('.stage').getBoundingClientRect().toJSON()")
    y = box["top"] + box["height"] / 2
    browser.mouse("Pressed", box["left"] + box["width"] / 4, y, held=True)
    browser.mouse("Moved", box["left"] + box["width"] * 0.75, y, held=True)
    browser.mouse("Released", box["left"] + box["width"] * 0.75, y)
    assert browser.run(ADDRESS)["wipe"] == "75"
    browser.press("[", "[", "]")
    assert browser.run(ADDRESS)["wipe"] == "70"
    clip = "getComputedStyle(document.querySelector('.stage .right')).clipPath"
    assert browser.run(clip) == "inset(0px 0px 0px 70%)"
    stacks = browser.run("[...document.querySelectorAll('.stage .stack')].map(s => s.dataset.layer)")
    assert stacks == ["prediction", "truth"]


def test_page__tells_the_classes_under_the_pointer(browser: Browser, world: World) -> None:
    browser.open(world.two, "#image=image1&layer=error")
    browser.wait("document.querySelectorAll('.stage').length === 2")
    sample = world.data[1]
    truth, image = sample["mask"], sample["image"]
    first: Any = world.first.predict(image)
    answers = [first.ids, world.second.predict(image)]
    kinds = [truth == 255, (answers[0] == truth) & (truth != 255), answers[0] != answers[1]]
    for model, ids in enumerate(answers):
        for kind in kinds:
            row, column = np.argwhere(kind)[len(np.argwhere(kind)) // 2]
            browser.mouse("Moved", *on_stage(browser, model, row, column, truth.shape))
            true, guess = (
                "void" if k == 255 else world.data.labels.names[k]
                for k in (truth[row, column], ids[row, column])
            )
            mark = "" if true == "void" else " ✓" if true == guess else " ✗"
            sure = first.prediction.full_size()[0].softmax(dim=0).max(dim=0).values[row, column]
            said = f" {round(100 * float(sure))} %" if model == 0 else ""
            tip = f"[...document.querySelectorAll('.tip')[{model}].children].map(e => e.textContent.trim())"
            expected = ["truth", true, "AB"[model], guess + said + mark]
            browser.wait(f"{tip}.every((text, i) => text.endsWith({expected}[i])) && {tip}.length === 4")


def on_stage(
    browser: Browser, model: int, row: int, column: int, size: tuple[int, ...]
) -> tuple[float, float]:
    """Return where the window shows a pixel of the image."""
    box = browser.run(f"document.querySelectorAll('.stage')[{model}].getBoundingClientRect().toJSON()")
    x = box["left"] + (column + 0.5) / size[1] * box["width"]
    return x, box["top"] + (row + 0.5) / size[0] * box["height"]


def test_page__layers_that_are_not_there_are_not_offered(
    browser: Browser, world: World, tmp_path: Path
) -> None:
    names = "[...document.querySelectorAll('#layers button')].map(b => b.dataset.layer)"
    browser.open(world.one)
    assert browser.run(names) == ["image", "truth", "prediction", "error", "confidence"]
    browser.open(world.two)
    assert browser.run(names)[-1] == "compare"
    data = Made(2)
    browser.open(written(tmp_path, data, [turned(data)]), "#layer=confidence")
    assert browser.run(names) == ["image", "truth", "prediction", "error"]
    assert browser.run(ADDRESS) == {"layer": "confidence"}
    assert browser.run("document.querySelector('#layers [aria-pressed=true]').dataset.layer") == "error"


def test_page__pictures_exist_and_load_when_they_are_seen(browser: Browser, world: World) -> None:
    for layer in ("truth", "prediction", "error", "confidence", "compare"):
        browser.open(world.two, f"#layer={layer}&image=image2&left=image")
        browser.wait(
            "[...document.querySelectorAll('.stage img')].every(i => i.complete && i.naturalWidth > 0)"
        )
    browser.open(world.one)
    lazy = browser.run("[...document.querySelectorAll('#grid img')].every(i => i.loading === 'lazy')")
    assert lazy is True


def test_page__hostile_names_are_text(browser: Browser, world: World) -> None:
    browser.open(world.hostile, "#sort=id")
    assert sorted(browser.run(SHOWN)) == sorted(f"{HOSTILE[k]}{k}" for k in range(3))
    browser.press("j", "Enter")
    browser.wait("document.getElementById('detail').open")
    assert browser.run("document.getElementById('detail-id').textContent") in [
        f"{HOSTILE[k]}{k}" for k in range(3)
    ]
    browser.press("j", "Escape")
    browser.wait("!document.getElementById('detail').open")
    browser.run("(b => { b.hidden = false; b.click(); })(document.getElementById('matrix-open'))")
    assert browser.run("document.querySelectorAll('body script').length") == 2
    assert browser.run("document.querySelectorAll('[onerror]').length") == 0
    assert browser.run("document.title") == f"{HOSTILE[2]} · explorer"


@pytest.mark.parametrize(
    "address", ["#nonsense", "#image=gone&pair=9.9&class=77&page=x&layer=none&low=a", "#page=99"]
)
def test_page__an_address_that_fits_nothing_shows_the_list(
    browser: Browser, world: World, address: str
) -> None:
    browser.open(world.one, address)
    assert len(browser.run(SHOWN)) in {48, 4}


@pytest.mark.parametrize("view", ["", "#view=report", "#image=image3"])
@pytest.mark.parametrize("width", [390, 800, 1280])
def test_page__nothing_is_wider_than_the_window(
    browser: Browser, world: World, view: str, width: int
) -> None:
    browser.open(world.two, view, width=width, height=844)
    assert browser.run("document.documentElement.scrollWidth <= innerWidth") is True
    overflow = "(d => d.scrollWidth <= d.clientWidth + 1)(document.getElementById('detail'))"
    assert browser.run(overflow) is True


def test_page__tabs_switch_by_arrows_and_the_report_is_there(browser: Browser, world: World) -> None:
    browser.open(world.two)
    browser.run("document.getElementById('tab-images').focus()")
    browser.press("ArrowRight")
    assert browser.run("document.getElementById('report').hidden") is False
    assert browser.run("document.getElementById('images').hidden") is True
    assert browser.run(FOCUS) == "tab-report"
    assert browser.run(ADDRESS) == {"view": "report"}
    browser.press("ArrowLeft")
    assert browser.run("document.getElementById('images').hidden") is False


def test_page__every_control_has_a_name(browser: Browser, world: World) -> None:
    browser.open(world.two, "#image=image3")
    nameless = """[...document.querySelectorAll('button, input, select, a')].filter(e =>
        !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length)).map(e => e.outerHTML)"""
    assert browser.run(nameless) == []
