"""The averaged model follows the trained one and never shares memory with it."""

import torch
from torch import nn

from terrazzo.train.average import AveragedModel


def test_averaged_model__decay_zero_is_the_trained_model() -> None:
    model = nn.BatchNorm2d(2)
    average = AveragedModel(model, 0.0)
    model(torch.randn(4, 2, 3, 3))
    average.update(1)
    for key, value in model.state_dict().items():
        assert torch.equal(value, average.model.state_dict()[key])
    model.weight.data.add_(1.0)
    assert not torch.equal(model.weight, average.model.state_dict()["weight"])


def test_averaged_model__warms_up_then_keeps_its_decay() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    average = AveragedModel(model, 0.9)
    nn.init.ones_(model.weight)
    average.update(1)  # keeps 2/11 of the old average
    assert average.model.state_dict()["weight"].item() == torch.tensor(1 - 2 / 11).item()
    before = average.model.state_dict()["weight"].item()
    average.update(1000)
    torch.testing.assert_close(
        average.model.state_dict()["weight"].item(), 0.9 * before + 0.1, rtol=1e-6, atol=0.0
    )


def test_averaged_model__is_in_eval_mode_without_gradients() -> None:
    average = AveragedModel(nn.BatchNorm2d(2), 0.5)
    assert not average.model.training
    assert not any(p.requires_grad for p in average.model.parameters())
