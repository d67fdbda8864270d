import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np

from terrazzo.figures import class_bars, confusion_heat_map, training_curves

HOSTILE = '<script>alert("1")</script> --> $x_1$ & "q" \u4e2d'


def texts(svg: str) -> list[str]:
    """The words of a chart; parsing also proves that it is well-formed."""
    root = ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns:xlink="x" ', 1))
    return ["".join(node.itertext()).strip() for node in root.iter() if node.tag.endswith("text")]


def test_class_bars__shows_values_best_first_and_absent_last() -> None:
    svg = class_bars(["a", "b", "c"], [0.25, None, 0.5], [0.5, None, None], [0.1, 0.2, 0.3])
    words = texts(svg)
    assert {"25.0", "50.0", "absent", "IoU", "precision", "recall"} <= set(words)
    assert 'aria-label="IoU per class, best first: c 50.0 %; a 25.0 %; b absent"' in svg


def test_confusion_heat_map__rows_are_shares_of_the_truth() -> None:
    svg = confusion_heat_map(np.array([[3, 1, 0], [0, 8, 0], [0, 0, 0]]), ["a", "b", "c"])
    words = texts(svg)
    assert (words.count("75"), words.count("25"), words.count("100"), words.count("×")) == (1, 1, 1, 3)
    assert "Largest: a taken for b: 25 %" in svg


def test_confusion_heat_map__leaves_numbers_out_where_cells_are_tiny() -> None:
    svg = confusion_heat_map(np.eye(60, dtype=np.int64), [str(k) for k in range(60)])
    assert "100" not in texts(svg)
    assert len(svg) < 200_000


def test_training_curves__takes_rows_as_csv_gives_them() -> None:
    rows = [
        {"step": "1", "loss": "2.0", "loss/dice": "0.5", "lr": "0.1", "val/miou": "", "note": "x"},
        {"step": "2", "loss": "nan", "loss/dice": "0.4", "lr": "0.2", "val/miou": "0.3", "note": ""},
        {"step": "3", "loss": "1.0", "loss/dice": "inf", "lr": "0.3", "val/miou": "0.4", "note": ""},
    ]
    words = texts(training_curves(rows))
    assert {"training loss", "validation", "learning rate", "loss", "loss/dice", "val/miou", "step"} <= set(
        words
    )
    assert "images per second" not in words


def test_training_curves__of_nothing_is_nothing() -> None:
    assert training_curves([]) == ""
    assert training_curves([{"step": 1, "note": "no numbers"}]) == ""


def test_training_curves__stays_small_for_long_runs() -> None:
    svg = training_curves([{"step": i, "loss": 1 / (i + 1)} for i in range(20_000)])
    assert len(svg) < 40_000


def test_charts__escape_names_and_take_them_literally() -> None:
    for svg in (
        class_bars([HOSTILE], [0.5], [0.5], [0.5]),
        confusion_heat_map(np.array([[1]]), [HOSTILE]),
        training_curves([{"step": 1, "loss": 1.0, f"loss/{HOSTILE}": 2.0}]),
    ):
        assert "<script" not in svg
        assert any(word.removeprefix("loss/").startswith("<script>alert(") for word in texts(svg))


def test_charts__follow_the_page_and_fetch_nothing() -> None:
    svg = confusion_heat_map(np.array([[3, 1], [2, 2]]), ["a", "b"])
    assert svg == confusion_heat_map(np.array([[3, 1], [2, 2]]), ["a", "b"]), "the same bytes every time"
    assert "currentColor" in svg
    assert "font-family" not in svg
    assert "http" not in svg
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)", svg))


def test_charts__use_neither_pyplot_nor_a_display() -> None:
    code = (
        "import sys, terrazzo.figures as f; early = 'matplotlib' in sys.modules;"
        "f.training_curves([{'step': 1, 'loss': 1.0}]);"
        "sys.exit(early or 'matplotlib.pyplot' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
