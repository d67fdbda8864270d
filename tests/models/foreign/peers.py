"""Networks of other libraries, to compare ours with."""

from torch import Tensor, nn

from tests.models.foreign.drawn import drawn_state


def draw(module: nn.Module) -> nn.Module:
    """Give a module weights and running statistics that hide nothing; in eval mode."""
    module.load_state_dict(drawn_state({name: t.shape for name, t in module.state_dict().items()}))
    return module.eval()


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    """Require the same shape, and differences below 1e-4 of the largest value."""
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()
