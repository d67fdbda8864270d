import json
from pathlib import Path

import numpy as np
import pytest

from terrazzo.core import DataError, RequestError
from terrazzo.evaluate import Evaluation, compare, evaluate_with, load_evaluation, save_evaluation
from terrazzo.evaluate.verdict import in_words
from terrazzo.metrics import ConfusionCounts, paired_difference
from terrazzo.metrics.scores import mean_iou
from terrazzo.predict import Method
from tests.evaluate.made import Made

GROUPS = {"image": None, "group": [f"g{i // 2}" for i in range(40)], "block": ["clip"] * 40}


def scored(wrong: float, *, seed: int = 0, kind: str = "image", method: Method | None = None) -> Evaluation:
    """The truth with a share of wrong pixels, as a model would give it."""
    dataset = Made(40, groups=GROUPS[kind], ids=[f"image{i:02d}" for i in range(40)])
    truths = iter([sample["mask"] for sample in dataset])
    random = np.random.default_rng(seed)

    def predict(image: np.ndarray) -> np.ndarray:
        truth = next(truths)
        share = wrong * random.uniform(0.5, 1.5)
        return np.where(random.random(truth.shape) < share, (truth + 1) % 3, np.minimum(truth, 2)).astype(
            np.uint8
        )

    return evaluate_with(predict, dataset, method=lambda: method or Method())


@pytest.fixture(scope="module")
def good() -> Evaluation:
    return scored(0.2)


@pytest.fixture(scope="module")
def bad() -> Evaluation:
    return scored(0.3, seed=1)


def test_compare__names_the_better_side(good: Evaluation, bad: Evaluation) -> None:
    there, back = compare(bad, good), compare(good, bad)
    assert (there.verdict, back.verdict) == ("b", "a")
    points = 100 * (good.scores.miou - bad.scores.miou)
    assert there.words.startswith(f"B is better by {points:.1f} points, 95 % interval ")
    assert back.words.startswith(f"A is better by {points:.1f} points, 95 % interval ")
    low, high = (float(word) for word in back.words.rstrip(".").split("interval ")[1].split(" to "))
    assert 0 < low < points < high


def test_compare__to_json_is_plain_and_holds_what_is_promised(good: Evaluation, bad: Evaluation) -> None:
    facts = compare(bad, good).to_json()
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["difference"] == pytest.approx(facts["b"] - facts["a"])
    assert facts["a"] == pytest.approx(bad.scores.miou)
    assert facts["interval"][0] < facts["difference"] < facts["interval"][1]
    assert (facts["verdict"], facts["unit"], facts["units"]) == ("b", "image", 40)
    assert facts["protocol"] == bad.protocol.to_json()
    assert [row["name"] for row in facts["per_class"]] == ["sky", "road", "car"]
    for row, entry in zip(facts["per_class"], good.scores.per_class, strict=True):
        assert row["b"] == pytest.approx(entry.iou)
        assert row["p"] <= row["p_holm"] <= 3 * row["p"] + 1e-12
        assert row["verdict"] == "b"


def test_compare__is_the_same_every_time(good: Evaluation, bad: Evaluation) -> None:
    assert compare(bad, good).to_json() == compare(bad, good).to_json()


def test_compare__without_a_difference_says_how_many_more_images_it_takes(good: Evaluation) -> None:
    other = compare(good, scored(0.2, seed=3))
    assert other.verdict == "none"
    more = other.miou.more_units(0.01)
    assert more
    assert other.words.startswith("No difference shown (B - A ")
    assert f"; {more} more images would be needed to show 1 point." in other.words


@pytest.mark.parametrize(("kind", "said"), [("group", "more groups"), ("block", "more frames")])
def test_compare__over_groups_and_blocks(kind: str, said: str) -> None:
    comparison = compare(scored(0.2, kind=kind), scored(0.2, seed=3, kind=kind))
    assert comparison.to_json()["unit"] == kind
    units = comparison.miou.units
    more = comparison.miou.more_units(0.01)
    assert more
    assert units.length == (9 if kind == "block" else 1)
    assert f"; {more * units.length} {said} would be needed" in comparison.words
    assert any("no honest interval" in note for note in comparison.notes) is (kind == "block")


def test_compare__two_runs_of_a_recipe_are_one_side(good: Evaluation, bad: Evaluation) -> None:
    comparison = compare([bad, scored(0.31, seed=5)], [good, scored(0.21, seed=6)])
    facts = comparison.to_json()
    assert facts["runs"] == {"a": 2, "b": 2}
    assert any("Two runs say little" in note for note in facts["notes"])
    single = compare(bad, good)
    assert any("One run of each" in note for note in single.notes)
    assert any("single run" in note for note in compare([bad, scored(0.31, seed=5)], good).notes)
    assert comparison.miou.high - comparison.miou.low > single.miou.high - single.miou.low


def test_compare__refuses_unlike_protocols_and_names_what_differs(good: Evaluation) -> None:
    flipped = scored(0.2, method=Method(tta="hflip"))
    with pytest.raises(
        RequestError, match=r"do not compare: test-time augmentation 'none' against 'hflip'\. Score"
    ):
        compare(good, flipped)
    assert compare(good, flipped, may_differ=["tta"]).verdict == "none"
    with pytest.raises(RequestError, match=r"split cannot differ between A and B; only tta, tiles"):
        compare(good, flipped, may_differ=["split"])
    small = evaluate_with(lambda image: np.zeros(image.shape[:2], np.uint8), Made(3, split="test"))
    with pytest.raises(
        RequestError, match=r"split 'val' against 'test'; number of images 40 against 3\. Score"
    ):
        compare(good, small)


def test_compare__refuses_unlike_runs_within_a_side(good: Evaluation) -> None:
    flipped = scored(0.2, method=Method(tta="hflip"))
    with pytest.raises(RequestError, match="test-time augmentation"):
        compare([good, flipped], [good, flipped], may_differ=["tta"])


def test_compare__refuses_masks_that_were_changed_in_between(good: Evaluation) -> None:
    matrices = good.counts.per_image
    matrices[7, 0, 0] += 1
    changed = ConfusionCounts.of(matrices, good.counts.ids, good.counts.groups)
    other = Evaluation(changed, good.scores, good.interval, good.protocol)
    with pytest.raises(
        RequestError, match=r"ground truth of 'image07' has \d+ pixels of 'sky' in one and \d+ in"
    ):
        compare(good, other)


def test_save_evaluation__compares_like_the_evaluation_itself(
    tmp_path: Path, good: Evaluation, bad: Evaluation
) -> None:
    save_evaluation(tmp_path / "good.npz", good)
    again = load_evaluation(tmp_path / "good.npz")
    assert again.to_json() == good.to_json()
    assert compare(bad, again).to_json() == compare(bad, good).to_json()


def test_load_evaluation__refuses_counts_of_another_protocol(tmp_path: Path, good: Evaluation) -> None:
    from terrazzo.metrics import save_counts

    path = tmp_path / "x.npz"
    save_counts(path, good.counts, {})
    with pytest.raises(DataError, match=r"counts without their protocol \('protocol'\)"):
        load_evaluation(path)
    save_counts(path, good.counts, {"protocol": good.protocol.to_json() | {"images": 7}})
    with pytest.raises(DataError, match="counts of 40 images and 3 classes, but its protocol says 7 and 3"):
        load_evaluation(path)


def test_in_words__of_what_cannot_be_said() -> None:
    void = ConfusionCounts.of(np.zeros((2, 3, 3), int), ["a", "b"], [None, None])
    assert in_words(paired_difference([void], [void], mean_iou)).startswith("Nothing could be compared")
    one = ConfusionCounts.of(np.ones((1, 3, 3), int), ["a"], [None])
    assert in_words(paired_difference([one], [one], mean_iou)).endswith(
        "no interval exists, so nothing is shown."
    )
    sure = ConfusionCounts.of(np.ones((20, 3, 3), int), [f"{i:02d}" for i in range(20)], [None] * 20)
    assert in_words(paired_difference([sure], [sure], mean_iou)).endswith("would most likely have been seen.")
