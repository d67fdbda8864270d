"""The template: what forward does around a subclass's logits."""

import pytest
import torch
from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.models.base import SegmentationModel
from terrazzo.models.convention import Convention


class Seen(SegmentationModel):
    """Records the image that reaches `logits`, and answers with its pooled channels."""

    def __init__(self, *, multiple: int = 8, num_classes: int = 2) -> None:
        super().__init__(num_classes=num_classes, in_channels=2, stride=4, multiple=multiple)
        self.adopt(Convention(mean=(0, 0), std=(1, 1)))
        self.pool = nn.AvgPool2d(4)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        self.seen = image_BCHW
        out: Tensor = self.pool(image_BCHW)
        return out


def test_forward__pads_to_the_multiple_and_crops_to_the_stride() -> None:
    model = Seen()
    prediction = model(torch.ones(1, 2, 33, 41))
    assert model.seen.shape == (1, 2, 40, 48)
    assert prediction.logits.shape == (1, 2, 9, 11)
    assert (prediction.stride, prediction.size, prediction.align_corners) == (4, (33, 41), False)


def test_forward__refuses_to_train_batch_norm_on_a_single_value() -> None:
    model = Seen(multiple=64)
    with pytest.raises(RequestError, match="One image of 40 x 64 becomes one value per channel at stride 64"):
        model(torch.ones(1, 2, 40, 64))
    model(torch.ones(2, 2, 40, 64))
    model(torch.ones(1, 2, 40, 65))
    model.eval()(torch.ones(1, 2, 40, 64))


def test_model__needs_classes_and_channels() -> None:
    with pytest.raises(RequestError, match="at least 1 class and 1 channel; given 0 and 2"):
        Seen(num_classes=0)


def test_model__compiles_to_one_graph() -> None:
    model = Seen()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    image = torch.randn(2, 2, 35, 50)
    torch.testing.assert_close(compiled(image).logits, model(image).logits)
    assert compiled(image).size == (35, 50)


def test_adopt__leaves_void_outputs_out() -> None:
    model = Seen(num_classes=2)
    image = torch.randn(1, 2, 40, 40)
    both = model(image).logits
    model.adopt(Convention(mean=(0, 0), std=(1, 1), void_outputs=(0,)))
    assert model.num_classes == 1
    assert torch.equal(model(image).logits, both[:, 1:])
    with pytest.raises(RequestError, match=r"void_outputs = \[5\]: expected different outputs of 0..0"):
        model.adopt(Convention(void_outputs=(5,)))


def test_forward__refuses_a_batch_of_one_where_a_global_average_is_normalised() -> None:
    model = Seen()
    model.norms_global_average = True
    with pytest.raises(RequestError, match="Train on 2 images or more per batch"):
        model(torch.ones(1, 2, 80, 80))
    model.eval()(torch.ones(1, 2, 80, 80))
