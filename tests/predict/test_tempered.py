from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from terrazzo.core.errors import RequestError
from terrazzo.core.prediction import Prediction
from terrazzo.models import build_model
from terrazzo.predict import Predictor, Tempered, TorchBackend, WholeImage, to_ids
from tests.evaluate.made import Made

IMAGE = np.random.default_rng(0).integers(0, 256, (37, 52, 3), dtype=np.uint8)


def whole() -> WholeImage:
    torch.manual_seed(1)
    return WholeImage(TorchBackend(build_model("unet", num_classes=3, num_blocks=1)))


@pytest.mark.parametrize("temperature", [0.1, 0.7, 1.0, 1.2958, 13.0])
def test_tempered__divides_the_logits_and_leaves_labels_alone(temperature: float) -> None:
    inner = whole()
    tempered = Tempered(inner, temperature)
    plain, said = inner(IMAGE), tempered(IMAGE)
    torch.testing.assert_close(said.logits * temperature, plain.logits)
    assert (said.size, said.stride) == (plain.size, plain.stride)
    assert (to_ids(said) != to_ids(plain)).mean() < 1e-3, "rounding may turn a near-tie"
    assert tempered.method == inner.method
    assert tempered.backend is inner.backend


def test_predictor__labels_are_read_before_the_division() -> None:
    class Tied(WholeImage):
        """Logits that differ in their last bit everywhere."""

        def __call__(self, image_HWC: NDArray[Any]) -> Prediction:
            said = super().__call__(image_HWC)
            logits = torch.full_like(said.logits, 1.9)
            logits[:, 2] = float(np.nextafter(np.float32(1.9), np.float32(2)))
            return replace(said, logits=logits)

    inner = whole()
    model = inner.backend.model  # type: ignore[attr-defined]
    tied = Tied(inner.backend)
    for temperature in (1.65, 1.7, 1.75, 1.8, 1.85):  # in some of them the two quotients round alike
        predictor = Predictor(model, Made().labels, None, inference=Tempered(tied, temperature))  # type: ignore[arg-type]
        assert (predictor.predict(IMAGE) == 2).all()


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_tempered__refuses_what_is_no_temperature(temperature: float) -> None:
    with pytest.raises(RequestError, match="expected a number above 0, where 1 changes nothing"):
        Tempered(whole(), temperature)
