"""Steps in order, and as a part of a predictor: labels, words, files, evaluation."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from terrazzo.checkpoint import save_model
from terrazzo.core.errors import DataError, RequestError
from terrazzo.core.images import read_image, write_png
from terrazzo.core.prediction import to_probabilities
from terrazzo.evaluate import evaluate
from terrazzo.kernels.clusters import drop_clusters
from terrazzo.models import build_model
from terrazzo.predict import PredictSettings, build_predictor, parse_postprocess, predict_files, to_ids
from terrazzo.predict.postprocess import Postprocess
from terrazzo.predict.postprocess.guided import guide, guided_filter
from terrazzo.predict.postprocess.threshold import threshold
from tests.evaluate.made import Made, NearestColor
from tests.predict.small import LABELS, predictor, small

IMAGE = np.random.default_rng(0).integers(0, 256, (45, 61, 3), dtype=np.uint8)


def test_predictor__labels_are_those_of_the_steps_in_order() -> None:
    plain = predictor(small())
    before = plain.answer(IMAGE)
    for spec in ("drop-clusters=30", "guided=3;threshold=car:0.3;drop-clusters=9", "largest;close=1"):
        after = plain.with_postprocess(spec).answer(IMAGE)
        steps = parse_postprocess(spec, LABELS)
        np.testing.assert_array_equal(after.ids, steps(before.ids, before.prediction, IMAGE))
        np.testing.assert_array_equal(after.prediction.logits, before.prediction.logits)
        assert after.ids.dtype == before.ids.dtype
        assert (after.ids != before.ids).any()
        assert after.ids.max() < 3
    np.testing.assert_array_equal(plain.answer(IMAGE).ids, before.ids)


def test_postprocess__guided_then_threshold_reads_the_refined() -> None:
    answer = predictor(small()).answer(IMAGE)
    refined = guided_filter(to_probabilities(answer.prediction), guide(IMAGE), 3, 1e-2)
    found = parse_postprocess("guided=3,eps:0.01;threshold=sky:0.4", LABELS)
    expected = threshold(refined, {0: 0.4})
    np.testing.assert_array_equal(found(answer.ids, answer.prediction, IMAGE), expected)


def test_postprocess__nothing_is_nothing() -> None:
    answer = predictor(small()).answer(IMAGE)
    steps = Postprocess()
    assert steps(answer.ids, answer.prediction, IMAGE) is answer.ids
    assert steps.words == "none"


def test_predictor__the_method_says_it() -> None:
    plain = predictor(small())
    assert plain.method.postprocess == "none"
    other = plain.with_postprocess("drop-clusters=70px")
    assert other.method == replace(plain.method, postprocess="drop-clusters=70")
    assert other.with_postprocess("none").method == plain.method


def test_build_predictor__with_post_processing(tmp_path: Path) -> None:
    model = build_model("unet", num_classes=3, num_blocks=1)
    folder = str(save_model(tmp_path / "best", model, labels=LABELS))
    settings = PredictSettings((folder, folder), device="cpu", postprocess="largest=Car")
    assert build_predictor(settings).method.postprocess == "largest=car"
    assert build_predictor(replace(settings, postprocess="none")).postprocess is None


def test_predict_files__masks_are_post_processed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_png(tmp_path / "in" / "a.png", IMAGE)
    some = predictor(small()).with_postprocess("drop-clusters=40")
    (done,) = predict_files(some, tmp_path / "in", tmp_path / "out")
    np.testing.assert_array_equal(read_image(done.mask)[..., 0], LABELS.decode(some.predict(IMAGE)))


def test_predictor__a_file_that_does_not_fit_is_named(tmp_path: Path) -> None:
    write_png(tmp_path / "grey.png", IMAGE[..., 0])
    with pytest.raises(DataError, match=r"grey\.png: The image has 1 channel"):
        predictor(small()).with_postprocess("largest").predict(tmp_path / "grey.png")


def test_evaluate__scores_and_protocol_are_of_the_post_processed() -> None:
    data = Made(4)
    plain = predictor(NearestColor(), data.labels)
    before, after = evaluate(plain, data), evaluate(plain.with_postprocess("drop-clusters=20"), data)
    assert after.scores.miou > before.scores.miou + 0.02  # the noise of single pixels is gone
    assert after.protocol.postprocess == "drop-clusters=20"
    assert after.protocol.fingerprint != before.protocol.fingerprint
    sample = data[0]
    expected = drop_clusters(to_ids(plain.infer(sample["image"])), np.full(3, 20))
    np.testing.assert_array_equal(
        plain.with_postprocess("drop-clusters=20").predict(sample["image"]), expected
    )


def test_postprocess__volumes_have_some_of_it() -> None:
    volumes = parse_postprocess("threshold=car:0.4;drop-clusters=5;largest=car", LABELS)
    volumes.check(3)
    for spec, name in (("close=1", "close"), ("guided=2", "guided"), ("fill-holes=4", "fill-holes")):
        with pytest.raises(RequestError, match=f"{name} works on images, and this model takes volumes"):
            parse_postprocess(spec, LABELS).check(3)


def test_postprocess__the_same_again_and_classes_beyond_255() -> None:
    ids = np.random.default_rng(1).integers(0, 300, (40, 50)).astype(np.int16)
    areas = np.full(300, 4)
    first = drop_clusters(ids, areas)
    np.testing.assert_array_equal(first, drop_clusters(ids, areas))
    assert set(np.unique(first)) <= set(np.unique(ids))
