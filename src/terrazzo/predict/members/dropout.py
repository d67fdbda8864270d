"""MC dropout: dropout stays on, and the mean of several random passes is the prediction.

Gal and Ghahramani 2016, sections 3 and 4: the passes are samples of an approximate posterior, so how far
they disagree says how little the model knows. Only dropout is switched on; batch norm keeps its statistics.

Random numbers are counted: pass p of seed s drops the same whatever was predicted before. So a pass is one
thinned network, the same for all images and tiles of one size; nothing of PyTorch's global state is changed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from terrazzo.core.errors import RequestError
from terrazzo.core.prediction import Prediction
from terrazzo.core.randomness import Stream, generator
from terrazzo.predict.backends.base import Backend
from terrazzo.predict.backends.torch_backend import TorchBackend
from terrazzo.predict.inference import Inference, WholeImage
from terrazzo.predict.members.ensemble import Ensemble

if TYPE_CHECKING:
    from terrazzo.models.base import SegmentationModel

PASSES = 20
"""Random passes by default: the mean then hardly changes any more (Kendall et al. 2017, figure 3: 6 suffice
to beat the network without dropout, the gain ends near 40)."""


class ThinnedBackend(TorchBackend):
    """A network of ours with its dropout on, always dropping the same.

    Args:
        model: the network.
        seed: 0 or more.
        number: which pass this is, 0 or more.

    Raises:
        RequestError: the network has no dropout.
    """

    def __init__(self, model: "SegmentationModel", seed: int, number: int) -> None:
        super().__init__(model, fold=False)  # what is made of a network for speed has no random parts
        self._seed = int(generator(seed, Stream.DROPOUT, number).integers(1 << 63))
        if not dropouts(model):
            raise RequestError(
                f"The model {model.architecture!r} has no dropout (or only of rate 0), so random passes "
                "would all be the same. Train it with dropout, such as model.dropout=0.1, or use an ensemble."
            )

    def run(self, image_BCHW: Tensor) -> Prediction:
        """Compute the logits of a batch; see `Backend.run`."""
        device = next(self.model.parameters()).device
        with _dropping(dropouts(self.model)), _seeded(device, self._seed):
            return super().run(image_BCHW)


def monte_carlo(
    model: "SegmentationModel",
    *,
    passes: int = PASSES,
    seed: int = 0,
    wrap: Callable[[Backend], Inference] = WholeImage,
) -> Ensemble:
    """Return an ensemble of random passes through one network.

    Args:
        model: a network with dropout, in any mode; it is left as it was.
        passes: how many.
        seed: 0 or more; the same seed gives the same bits.
        wrap: from a backend to what predicts an image, for instance in tiles.

    Raises:
        RequestError: the network has no dropout, or fewer than 2 passes were asked for.
    """
    if passes < 2:
        raise RequestError(
            f"MC dropout with {passes} passes has no mean; expected 2 or more, usually {PASSES}."
        )
    members = [wrap(ThinnedBackend(model, seed, number)) for number in range(passes)]
    return Ensemble(members, words=f"mean of {passes} random passes (MC dropout, seed {seed})")


def dropouts(model: nn.Module) -> list[nn.Module]:
    """Return the dropout modules of a network that drop anything."""
    return [module for module in model.modules() if isinstance(module, _DropoutNd) and module.p > 0]


@contextmanager
def _dropping(modules: list[nn.Module]) -> Iterator[None]:
    """Have modules in training mode when they are called, whatever set the network's mode before."""

    def switch_on(module: nn.Module, _: Any) -> None:
        module.training = True

    handles = [module.register_forward_pre_hook(switch_on) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _seeded(device: torch.device, seed: int) -> Iterator[None]:
    """Seed the generator of one device, and afterwards give it its state back."""
    if device.type == "cuda":
        state = torch.cuda.get_rng_state(device)
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
        try:
            yield
        finally:
            torch.cuda.set_rng_state(state, device)
        return
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(state)
