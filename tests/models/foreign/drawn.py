"""Weights drawn by a rule from names and shapes, so that a reference need not hold them."""

from collections.abc import Mapping, Sequence
from math import prod, sqrt

import numpy as np
import torch
from torch import Tensor


def drawn_state(shapes: Mapping[str, Sequence[int]], seed: int = 0) -> dict[str, Tensor]:
    """Return a tensor for each name: the same ones for the same names, in whatever order they come.

    Standard normal numbers from a generator seeded by (seed, position among the sorted names); matrices and
    kernels over the root of their fan-in, running variances and scales of norms positive, biases and running
    means small, counters 0.
    """
    return {name: _drawn(name, shapes[name], seed, index) for index, name in enumerate(sorted(shapes))}


def _drawn(name: str, shape: Sequence[int], seed: int, index: int) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.zeros(tuple(shape), dtype=torch.int64)
    values = np.random.default_rng([seed, index]).standard_normal(tuple(shape))
    if len(shape) >= 2:
        values = values / sqrt(prod(shape[1:]))
    elif name.endswith("weight") or name.endswith("running_var"):
        values = np.abs(values) + 0.5
    else:
        values = 0.1 * values
    return torch.from_numpy(values.astype(np.float32))
