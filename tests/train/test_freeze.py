"""Freezing an encoder: what stays, and that nothing but counters decides."""

import pytest
import torch
from torch import nn

from terrazzo.core.errors import RequestError
from terrazzo.train.freeze import EncoderFreeze


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
        self.decoder = nn.Sequential(nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2))


def test_freeze__leaves_weights_statistics_and_dropout_alone_but_not_the_decoder() -> None:
    model = Tiny().train()
    EncoderFreeze(model, share=0.5, steps=0)(step=0, progress=0.0)
    before = {name: value.clone() for name, value in model.encoder.state_dict().items()}
    out = model.decoder(model.encoder(torch.randn(2, 3, 8, 8)))
    torch.autograd.backward(out.square().sum())
    assert all(torch.equal(value, before[name]) for name, value in model.encoder.state_dict().items())
    assert all(p.grad is None for p in model.encoder.parameters())
    assert all(p.grad is not None for p in model.decoder.parameters())
    assert model.decoder[1].num_batches_tracked == 1


@pytest.mark.parametrize(
    ("share", "steps", "frozen"),
    [(0.0, 0, [False] * 4), (0.5, 0, [True, True, False, False]), (0.25, 3, [True, True, True, False])],
)
def test_freeze__is_a_function_of_step_and_progress(share: float, steps: int, frozen: list[bool]) -> None:
    model = Tiny().train()
    freeze = EncoderFreeze(model, share=share, steps=steps)
    seen = []
    for step in range(4):
        freeze(step=step, progress=step / 4)
        seen.append(not model.encoder.training)
        assert {p.requires_grad for p in model.encoder.parameters()} == {not seen[-1]}
    assert seen == frozen


def test_freeze__parameters_that_never_train_stay_so() -> None:
    model = Tiny().train()
    model.encoder[0].weight.requires_grad_(False)
    freeze = EncoderFreeze(model, share=0.0, steps=1)
    freeze(step=0, progress=0.0)
    freeze(step=1, progress=0.5)
    assert [p.requires_grad for p in model.encoder.parameters()] == [False, True, True, True]


def test_freeze__needs_an_encoder() -> None:
    with pytest.raises(RequestError, match=r"'Linear' has no encoder of its own\. Set optimizer\.freeze"):
        EncoderFreeze(nn.Linear(1, 1), share=0.1, steps=0)
    EncoderFreeze(nn.Linear(1, 1), share=0.0, steps=0)(step=0, progress=0.0)
