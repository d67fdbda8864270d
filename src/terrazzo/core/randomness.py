"""Randomness is counted, not consumed.

Every random choice is a function of a key of integers, for instance (seed, epoch, index), and never of how
many numbers were drawn before. So the order of workers, their number, and a restart change nothing.
"""

from enum import IntEnum, unique

import numpy as np
from numpy.typing import NDArray


@unique  # an alias would be the same numbers under two names
class Stream(IntEnum):
    """What a number is drawn for: two streams with otherwise equal keys are independent."""

    ORDER = 1
    TRANSFORM = 2
    SPLIT = 3
    SCENE = 4
    BOOTSTRAP = 5
    MODEL = 6
    MIX = 7
    PARTNER = 8
    DROPOUT = 9
    CALIBRATION = 20
    GROUND = 32


def generator(seed: int, stream: Stream, *key: int) -> np.random.Generator:
    """Return the generator that belongs to (seed, stream, *key).

    Args:
        seed: the run's seed, 0 or more.
        stream: what the numbers are for.
        key: further counters, for instance (epoch, index), each 0 or more.
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, int(stream), *key))))


def permutation(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the order in which epoch `epoch` visits `count` samples: a permutation of 0..count-1."""
    return generator(seed, Stream.ORDER, epoch).permutation(count)
