"""Weights by a rule, so that a test can draw again what a reference was made with."""

from collections.abc import Mapping, Sequence
from math import prod, sqrt

import numpy as np
import torch
from torch import Tensor


def drawn_state(shapes: Mapping[str, Sequence[int]], seed: int = 0) -> dict[str, Tensor]:
    """Return a tensor for every name, drawn so that nothing is 0 or 1 by chance and no value runs away.

    The i-th name in sorted order has its own generator, seeded by (seed, i), and standard normal values: the
    weights of norms and running variances as |value| + 0.5, biases and running means times 0.1, weights of
    two and more dimensions by the square root of their fan-in. Counters are 0.
    """
    return {name: _drawn(name, shapes[name], [seed, index]) for index, name in enumerate(sorted(shapes))}


def _drawn(name: str, shape: Sequence[int], seed: Sequence[int]) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.zeros(tuple(shape), dtype=torch.int64)
    values = torch.from_numpy(np.random.default_rng(seed).standard_normal(tuple(shape), dtype=np.float32))
    if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
        return values.abs() + 0.5
    if name.endswith(("running_mean", "bias")):
        return 0.1 * values
    return values / sqrt(prod(shape[1:])) if len(shape) >= 2 else values
