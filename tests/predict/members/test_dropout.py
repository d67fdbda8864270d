"""MC dropout: counted passes, only dropout switched on, nothing of the process changed."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.predict import TorchBackend, WholeImage, to_probabilities
from terrazzo.predict.members.dropout import ThinnedBackend, monte_carlo
from tests.predict.networks import Averages


def photo(height: int = 41, width: int = 58, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def thinned(number: int, seed: int = 0, **options: float) -> WholeImage:
    return WholeImage(ThinnedBackend(Averages(4, dropout=0.5, **options), seed, number))  # type: ignore[arg-type]


def test_monte_carlo__is_the_mean_of_its_passes() -> None:
    model = Averages(1, dropout=0.5)
    result = monte_carlo(model, passes=5, seed=3)
    passes = [WholeImage(ThinnedBackend(model, 3, number))(photo()) for number in range(5)]
    shares = np.stack([to_probabilities(each) for each in passes])
    assert np.abs(shares - shares[0]).max() > 0.1
    np.testing.assert_allclose(to_probabilities(result(photo())), shares.mean(axis=0), atol=1e-5)
    assert result.method.members == "mean of 5 random passes (MC dropout, seed 3)"


def test_pass__the_same_bits_whatever_went_before() -> None:
    first = thinned(2)(photo()).logits
    other = thinned(2)
    other(photo(seed=1))
    torch.rand(7)
    assert torch.equal(other(photo()).logits, first)
    assert not torch.equal(thinned(3)(photo()).logits, first)
    assert not torch.equal(thinned(2, seed=1)(photo()).logits, first)


def test_pass__drops_whole_channels_at_the_layers_rate() -> None:
    """A dropped channel is 0 and a kept one twice as large: what Dropout2d of rate one half does."""
    plain = WholeImage(TorchBackend(Averages(4, dropout=0.5)))(photo()).logits
    states = set()
    for number in range(12):
        ratio_K = (thinned(number)(photo()).logits / plain)[0].flatten(1)
        for values in ratio_K:
            states.add(round(float(values.median()), 3))
            torch.testing.assert_close(values, values[:1].expand_as(values))
    assert states == {0.0, 2.0}


def test_pass__no_global_state_is_left_changed() -> None:
    model = Averages(4, dropout=0.5).train()
    model.norm.eval()
    modes = [module.training for module in model.modules()]
    buffers = {name: tensor.clone() for name, tensor in model.named_buffers()}
    torch.manual_seed(5)
    state = torch.get_rng_state()
    monte_carlo(model, passes=2)(photo())
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(tensor, buffers[name]) for name, tensor in model.named_buffers())
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_pass__state_comes_back_after_an_error() -> None:
    model = Averages(4, dropout=0.5)
    state = torch.get_rng_state()
    with pytest.raises(RequestError, match="33"):
        monte_carlo(model, passes=2)(photo(20, 20))
    assert torch.equal(torch.get_rng_state(), state)
    assert not model.dropout._forward_pre_hooks


def test_pass__batch_norm_keeps_its_statistics() -> None:
    """With every channel kept, a pass is the network itself: nothing but dropout is switched on."""
    model = Averages(4, dropout=0.5)
    model.norm.running_mean = torch.full((4,), 3.0)
    plain = WholeImage(TorchBackend(model))(photo()).logits
    model.dropout.p = 1e-9
    assert torch.equal(WholeImage(ThinnedBackend(model, 0, 0))(photo()).logits, plain)


def test_monte_carlo__a_network_of_ours_keeps_its_expectation() -> None:
    torch.manual_seed(0)
    model = build_model("erfnet", num_classes=3)
    result = monte_carlo(model, passes=3, seed=1)(photo(64, 64))
    plain = WholeImage(TorchBackend(model))(photo(64, 64))
    assert not torch.allclose(result.logits.softmax(1), plain.logits.softmax(1), atol=1e-4)
    assert any(isinstance(module, nn.BatchNorm2d) for module in model.modules())


def test_monte_carlo__tiles_and_the_like_are_wrapped_inside() -> None:
    model, wrapped = Averages(4, dropout=0.5), []

    def wrap(backend: object) -> WholeImage:
        wrapped.append(backend)
        return WholeImage(backend)  # type: ignore[arg-type]

    monte_carlo(model, passes=3, wrap=wrap)
    assert len(wrapped) == 3


def test_monte_carlo__a_network_without_dropout_is_refused() -> None:
    for model in (Averages(4), build_model("unet", num_classes=3, num_blocks=1)):
        with pytest.raises(RequestError, match=r"has no dropout .* use an ensemble"):
            monte_carlo(model)
    with pytest.raises(RequestError, match="MC dropout with 1 passes has no mean; expected 2 or more"):
        monte_carlo(Averages(4, dropout=0.5), passes=1)
