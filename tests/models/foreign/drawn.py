"""Weights by rule: the same numbers from the same names and shapes, on every machine."""

from collections.abc import Mapping, Sequence
from math import prod, sqrt

import numpy as np
import torch
from torch import Tensor


def drawn_state(shapes: Mapping[str, Sequence[int]], seed: int = 0) -> dict[str, Tensor]:
    """Return a tensor for every name: standard normal, brought to a size that keeps a network's numbers sane.

    Every name has a generator of its own, seeded by its place in sorted order. Variances and the weights of
    norms are made positive, from 0.5 on; means and biases are a tenth; other weights are divided by the
    square root of their fan-in; counters are 0.
    """
    return {
        name: _drawn(name, tuple(shapes[name]), np.random.default_rng([seed, index]))
        for index, name in enumerate(sorted(shapes))
    }


def _drawn(name: str, shape: tuple[int, ...], generator: np.random.Generator) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    values = generator.standard_normal(shape)
    if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
        values = np.abs(values) + 0.5
    elif name.endswith(("running_mean", "bias")):
        values = 0.1 * values
    elif len(shape) >= 2:
        values = values / sqrt(prod(shape[1:]))
    return torch.from_numpy(np.asarray(values, dtype=np.float32))
