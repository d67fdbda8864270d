"""The counts beside other people's: Cityscapes' own script, the formula of VOC's kit, scikit-learn."""

import math
from copy import copy
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from terrazzo.core.images import write_png
from terrazzo.datasets.cityscapes_labels import RAW, cityscapes_labels
from terrazzo.datasets.voc_labels import LABELS as VOC
from terrazzo.metrics import ConfusionCounts, score
from terrazzo.metrics.categories import CITYSCAPES, CategoryIou
from tests.metrics.judging import result

SAMPLES = Path(__file__).parents[3] / "shared" / "data" / "samples"


def made(seed: int, raw_ids: int, size: tuple[int, int] = (64, 96)) -> np.ndarray:
    """Blocks of raw ids, some of them rare or absent."""
    random = np.random.default_rng(seed)
    blocks = random.choice(raw_ids, (size[0] // 8, size[1] // 8), p=random.dirichlet(np.full(raw_ids, 0.3)))
    return blocks.repeat(8, axis=0).repeat(8, axis=1).astype(np.uint8)


def cityscapes_script(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Let the official script evaluate (prediction, truth) files of raw ids."""
    script = import_module("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")

    args = copy(script.args)
    args.quiet, args.JSONOutput, args.evalInstLevelScore = True, False, False
    found: dict[str, Any] = script.evaluateImgLists([p for p, _ in pairs], [t for _, t in pairs], args)
    return found


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Files of raw ids for the script, and the counts of the same images in train ids."""
    folder, labels = tmp_path_factory.mktemp("cityscapes"), cityscapes_labels("classes")
    counts, pairs, images = ConfusionCounts(labels.num_classes), [], []
    for seed in range(4):
        raw = made(seed, len(RAW))
        truth = labels.encode(raw)
        random = np.random.default_rng(seed)
        guess = random.integers(0, 19, truth.shape).astype(np.uint8)
        ids = np.where((random.random(truth.shape) < 0.6) & (truth != 255), truth, guess)
        files = [str(folder / f"{kind}{seed}.png") for kind in ("pred", "gt")]
        write_png(Path(files[0]), labels.decode(ids))
        write_png(Path(files[1]), raw)
        counts.add(ids, truth, str(seed))
        pairs.append((files[0], files[1]))
        images.append((ids, truth))
    return cityscapes_script(pairs), counts, labels, images


def same(ours: float, theirs: float) -> bool:
    return ours == pytest.approx(theirs, abs=1e-12, nan_ok=True)


def test_cityscapes__class_scores_equal_the_official_script(written: Any) -> None:
    official, counts, labels, _ = written
    scores = score(counts, labels.names)
    assert all(same(entry.iou, official["classScores"][entry.name]) for entry in scores.per_class)
    assert same(scores.miou, official["averageScoreClasses"])
    assert scores.miou > 0.1


def test_cityscapes__category_scores_equal_the_official_script(written: Any) -> None:
    official, _, labels, images = written
    found = result(CategoryIou(labels), *images)
    assert {entry.name: entry.category for entry in RAW if entry.name in labels.names} == {
        name: group for group, names in CITYSCAPES.items() for name in names
    }
    assert all(same(row["iou"], official["categoryScores"][row["name"]]) for row in found["per_class"])
    assert same(found["miou"], official["averageScoreCategories"])
    assert 0.1 < found["miou"] < 1


def test_cityscapes__genuine_frame_equals_the_official_script(tmp_path: Path) -> None:
    folder = SAMPLES / "cityscapes_tiny_mmseg"
    files = sorted(folder.rglob("*_labelIds.png")) if folder.is_dir() else []
    if not files:
        pytest.skip("the genuine samples are not beside this checkout")
    labels = cityscapes_labels("classes")
    raw = np.array(Image.open(files[0]))
    truth = labels.encode(raw)
    ids = np.roll(np.where(truth == 255, 0, truth), 3, axis=1).astype(np.uint8)
    write_png(tmp_path / "pred.png", labels.decode(ids))
    write_png(tmp_path / "gt.png", raw)
    official = cityscapes_script([(str(tmp_path / "pred.png"), str(tmp_path / "gt.png"))])
    counts = ConfusionCounts(19)
    counts.add(ids, truth, "a")
    scores = score(counts, labels.names)
    assert same(scores.miou, official["averageScoreClasses"])
    theirs = [official["classScores"][name] for name in labels.names]
    assert all(same(entry.iou, iou) for entry, iou in zip(scores.per_class, theirs, strict=True))


def voc_kit(pairs: Any, classes: int) -> list[float]:
    """The kit's steps: a histogram of truth + ids * classes over pixels below 255; per class the accuracy
    gtj + resj - gtjresj in the denominator, in per cent."""
    table = np.zeros((classes, classes))
    for ids, truth in pairs:
        known = truth < 255
        cells = 1 + truth[known].astype(int) + ids[known].astype(int) * classes
        table += np.bincount(cells - 1, minlength=classes**2).reshape(classes, classes).T
    accuracies = []
    for j in range(classes):
        truly, said, both = table[j].sum(), table[:, j].sum(), table[j, j]
        accuracies.append(100 * both / (truly + said - both) if truly + said - both else math.nan)
    return accuracies


def test_voc__scores_equal_the_formula_of_the_kit() -> None:
    counts, pairs = ConfusionCounts(21), []
    for seed in range(3):
        truth, ids = made(seed, 21), made(seed + 50, 21)
        truth[::8] = 255
        ids[:, ::3] = np.where(truth == 255, ids, truth)[:, ::3]
        counts.add(ids, truth, str(seed))
        pairs.append((ids, truth))
    scores = score(counts, VOC.names)
    expected = voc_kit(pairs, 21)
    assert all(same(100 * entry.iou, value) for entry, value in zip(scores.per_class, expected, strict=True))
    assert same(100 * scores.miou, float(np.nanmean(expected)))


def test_sklearn__same_confusion_precision_recall_and_f1() -> None:
    from sklearn import metrics as sk

    truth, ids = made(1, 12), made(2, 12)
    ids[:, ::2] = truth[:, ::2]
    truth[:5] = 255
    counts = ConfusionCounts(12)
    counts.add(ids, truth, "a")
    flat = truth[truth != 255], ids[truth != 255]
    assert np.array_equal(counts.pooled, sk.confusion_matrix(*flat, labels=range(12)))
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        *flat, labels=range(12), zero_division=np.nan
    )
    rows = score(counts, [str(k) for k in range(12)]).per_class
    assert [row.pixels for row in rows] == support.tolist()
    for k, row in enumerate(rows):
        if support[k] and row.predicted_pixels:
            assert (row.precision, row.recall, row.f1) == pytest.approx((precision[k], recall[k], f1[k]))
