import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sk

from terrazzo.core import DataError, LabelMap, RequestError
from terrazzo.evaluate import check_labels, evaluate, evaluate_with
from tests.evaluate.made import Made, NearestColor, nearest_color


def test_evaluate__equals_scikit_learn_on_all_pixels_of_all_images() -> None:
    dataset = Made()
    truth = np.concatenate([s["mask"].ravel() for s in dataset])
    guess = np.concatenate([nearest_color(dataset, s["image"]).ravel() for s in dataset])
    truth, guess = truth[truth != 255], guess[truth != 255]
    scores = evaluate(NearestColor(), dataset).scores
    assert scores.miou == pytest.approx(sk.jaccard_score(truth, guess, average="macro"), rel=1e-12)
    assert scores.pixel_accuracy == pytest.approx((truth == guess).mean(), rel=1e-12)
    assert 0.5 < scores.miou < 0.95, "neither trivial nor perfect"


def test_evaluate__is_evaluate_with_segment_and_leaves_the_model_as_it_was() -> None:
    dataset, model = Made(), NearestColor()
    model.train()
    model.dropout.eval()
    ours = evaluate(model, dataset)
    same = evaluate_with(lambda image: nearest_color(dataset, image), dataset)
    assert np.array_equal(ours.counts.per_image, same.counts.per_image)
    assert model.training
    assert not model.dropout.training


def test_evaluate__counts_every_valid_pixel_at_the_size_of_the_truth() -> None:
    dataset = Made()
    counts = evaluate(NearestColor(), dataset).counts
    assert counts.ids == dataset.ids
    assert counts.per_image.sum(axis=(1, 2)).tolist() == [(s["mask"] != 255).sum() for s in dataset]


def test_evaluate__nothing_under_void_changes_anything() -> None:
    dataset = Made()

    def vandal(image: NDArray[Any]) -> NDArray[Any]:
        ids = nearest_color(dataset, image)
        ids[:3] = 2 - ids[:3]  # the first three rows are void
        return ids

    clean = evaluate_with(lambda image: nearest_color(dataset, image), dataset)
    assert evaluate_with(vandal, dataset).to_json() == clean.to_json()


def test_evaluate__tells_how_far_it_is() -> None:
    seen: list[tuple[int, int]] = []
    evaluate(NearestColor(), Made(3), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_evaluate__refuses_other_classes_before_reading_anything() -> None:
    class Unreadable(Made):
        def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
            raise AssertionError("read")

    with pytest.raises(RequestError) as caught:
        evaluate(NearestColor(num_classes=4), Unreadable())
    sentence = str(caught.value)
    assert "The model has 4 classes, but the data's labels have 3 (sky, road, car)" in sentence
    assert "train a model with num_classes=3" in sentence
    assert caught.value.exit_code == 2


def test_evaluate__refuses_other_channels() -> None:
    with pytest.raises(RequestError, match=r"takes 3-channel images, but the data.s have 1.*in_channels=1"):
        evaluate(NearestColor(), Made(channels=1))


def test_evaluate__refuses_no_images() -> None:
    with pytest.raises(RequestError, match=r"split 'val' of this made dataset has no images.*Choose another"):
        evaluate(NearestColor(), Made(0))


def test_evaluate_with__names_the_image_of_a_wrong_prediction() -> None:
    with pytest.raises(DataError, match=r"^image0: .*differ in shape"):
        evaluate_with(lambda image: np.zeros((3, 3), np.uint8), Made())
    with pytest.raises(DataError, match=r"^image0: Prediction holds id 9"):
        evaluate_with(lambda image: np.full(image.shape[:2], 9, np.uint8), Made())


def test_check_labels__accepts_the_same_names_in_the_same_order() -> None:
    check_labels(
        LabelMap.of({"a": (0, 0, 0), "b": (1, 1, 1)}),
        LabelMap.of({"a": (5, 5, 5), "b": (9, 9, 9)}, void_ids=[7]),
    )


def test_check_labels__names_the_first_class_that_differs() -> None:
    card = LabelMap.of({"a": (0, 0, 0), "b": (1, 1, 1), "c": (2, 2, 2)})
    with pytest.raises(
        RequestError, match=r"class 1 is 'b', but the data's is 'x'.*different things.*a, b, c"
    ):
        check_labels(card, LabelMap.of({"a": (0, 0, 0), "x": (1, 1, 1), "c": (2, 2, 2)}))
    with pytest.raises(
        RequestError, match=r"class 0 is 'a', but the data's is 'b'.*the same in another order"
    ):
        check_labels(card, LabelMap.of({"b": (0, 0, 0), "a": (1, 1, 1), "c": (2, 2, 2)}))
    with pytest.raises(RequestError, match=r"The model has 3 classes.* 1 \(a\)"):
        check_labels(card, LabelMap.of({"a": (0, 0, 0)}))


def test_to_json__is_plain_and_holds_fractions() -> None:
    data = evaluate(NearestColor(), Made()).to_json()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert list(data)[:3] == ["miou", "miou_interval", "pixel_accuracy"]
    assert {"macro_f1", "fwiou", "per_class", "images", "absent_classes", "protocol"} <= set(data)
    low, high = data["miou_interval"]
    assert 0 < low < data["miou"] < high < 1
    assert data["images"] == 6
    assert {"name", "iou", "f1", "precision", "recall", "pixels"} <= set(data["per_class"][0])
    assert data["pixels"] == sum(entry["pixels"] for entry in data["per_class"])


def test_to_json__of_one_image_has_no_interval() -> None:
    data = evaluate(NearestColor(), Made(1)).to_json()
    assert data["miou_interval"] == [None, None]
    assert any("no interval" in note for note in data["protocol"]["notes"])


def test_rows__are_a_table_of_the_classes() -> None:
    evaluation = evaluate(NearestColor(), Made())
    rows = evaluation.rows()
    assert [row["name"] for row in rows] == ["sky", "road", "car"]
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    assert rows[1]["iou"] == evaluation.scores.per_class[1].iou


def test_confusions__largest_first_and_never_the_diagonal() -> None:
    evaluation = evaluate(NearestColor(), Made())
    rows = evaluation.confusions()
    # Noise in the made images is always of the first class's colour.
    assert {(row["truth"], row["prediction"]) for row in rows} == {("road", "sky"), ("car", "sky")}
    assert rows[0]["share_of_mistakes"] > rows[1]["share_of_mistakes"]
    assert sum(row["share_of_mistakes"] for row in rows) == pytest.approx(1)
    assert len(evaluation.confusions(limit=1)) == 1
