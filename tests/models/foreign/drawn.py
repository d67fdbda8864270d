"""Weights that anyone can draw again from a list of names and shapes."""

from collections.abc import Mapping, Sequence
from math import prod, sqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def drawn_state(shapes: Mapping[str, Sequence[int]], seed: int = 0) -> dict[str, Tensor]:
    """Return a state dict of random numbers, the same on every machine.

    The tensor at place i of the sorted names is drawn from `np.random.default_rng([seed, i])`, standard
    normal. Then variances and the weights of norms (those of one dimension) become |x| + 0.5, means and
    biases 0.1 x, weights of more dimensions x / sqrt(fan-in), and counters 0.

    Args:
        shapes: of each tensor, by its name.
        seed: other numbers for another seed.
    """
    state: dict[str, Tensor] = {}
    for index, name in enumerate(sorted(shapes)):
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(0)
            continue
        shape = tuple(shapes[name])
        drawn = np.random.default_rng([seed, index]).standard_normal(shape)
        state[name] = torch.from_numpy(_scaled(name, np.asarray(drawn)).astype(np.float32))
    return state


def _scaled(name: str, drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    if name.endswith(("running_mean", "bias")):
        return 0.1 * drawn
    if name.endswith("running_var") or (name.endswith("weight") and drawn.ndim == 1):
        return np.abs(drawn) + 0.5
    return drawn / sqrt(prod(drawn.shape[1:]))
