"""Scores by the workers of a Ray cluster: the local ones, to the last pixel."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from terrazzo import __version__
from terrazzo.core import DataError, RequestError
from terrazzo.evaluate import evaluate
from terrazzo.evaluate.engine_ray import CountActor, _common, evaluate_with_ray
from terrazzo.predict import Method, PredictSettings, build_predictor
from tests.evaluate.made import Made
from tests.predict.ray_engine.made import RAY_WARNINGS, make_model, two_workers

pytestmark = RAY_WARNINGS


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> PredictSettings:
    return PredictSettings((str(make_model(tmp_path_factory.mktemp("ray") / "model")),), device="cpu")


class Damaged(Made):
    """The third image cannot be read."""

    def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
        if index == 2:
            raise DataError("image2.png: damaged.")
        return super().read(index)


@pytest.mark.slow
def test_evaluate_with_ray__equals_the_local_evaluation(settings: PredictSettings) -> None:
    dataset = Made(6, groups=["a", "a", "b", "b", "c", "c"])
    seen: list[tuple[int, int]] = []
    with two_workers():
        ours = evaluate_with_ray(settings, dataset, progress=lambda done, total: seen.append((done, total)))
        with pytest.raises(DataError, match=r"image2\.png: damaged"):
            evaluate_with_ray(settings, Damaged(4))
    local = evaluate(build_predictor(settings), dataset)
    assert ours.counts.ids == local.counts.ids
    assert ours.counts.groups == local.counts.groups
    np.testing.assert_array_equal(ours.counts.per_image, local.counts.per_image)
    assert ours.to_json() == local.to_json()
    assert seen == [(n, 6) for n in range(1, 7)]


def test_count_actor__counts_one_image(settings: PredictSettings, tmp_path: Path) -> None:
    dataset = Made(2)
    local = evaluate(build_predictor(settings), dataset)
    row = CountActor(settings, __version__, dataset, str(Path.cwd())).work({"index": 1})
    assert row["matrix"] == local.counts.matrix(1).tolist()
    assert row["size"] == (33, 70)


def test_common__joins_the_tiles_that_workers_met() -> None:
    whole, tiled = Method().to_json(), Method(tiles="whole image; tiles 64 x 64").to_json()
    other = Method(tiles="whole image; tiles 32 x 32; tiles 64 x 64").to_json()
    assert _common([whole, whole]) == Method()
    assert _common([tiled, whole]).tiles == "whole image; tiles 64 x 64"
    assert _common([tiled, other, whole]).tiles == "whole image; tiles 32 x 32; tiles 64 x 64"


def test_evaluate_with_ray__refuses_before_ray_is_started(settings: PredictSettings) -> None:
    with pytest.raises(RequestError, match="boundary-iou cannot be measured by the engine ray"):
        evaluate_with_ray(settings, Made(), meters=["boundary-iou"])
    with pytest.raises(RequestError, match="The model has 3 classes, but the data's labels have 4"):
        evaluate_with_ray(settings, Made(names=("sky", "road", "car", "tree")))
    with pytest.raises(RequestError, match="has no images"):
        evaluate_with_ray(settings, Made(0))
