"""The `train.sampler` section of a recipe, and the plan that it stands for."""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from terrazzo.core.config import Config
from terrazzo.core.errors import RequestError
from terrazzo.datasets import SegmentationDataset
from terrazzo.train.plans import Counts, Plan, Uniform, by_weights, rare_classes, repeat_factors


class SamplerConfig(Config):
    """Which training samples an epoch visits, and how often."""

    kind: Literal["uniform", "weights", "class-balanced", "repeat-factor", "rare-class"] = "uniform"
    """uniform: each once. weights: as often as the data's own column says. class-balanced: a class first, all
    alike, then an image that has it. repeat-factor: LVIS. rare-class: DAFormer, its crops too.
    """

    threshold: float = Field(0.001, gt=0.0)
    """Of repeat-factor: classes with a smaller frequency are repeated; 0.001 in the paper."""

    frequency: Literal["images", "pixels"] = "images"
    """Of repeat-factor: share of the images that have a class (as published), or of the labelled pixels."""

    temperature: float = Field(0.01, gt=0.0)
    """Of rare-class: the smaller, the more the rarest classes are preferred; 0.01 in the paper."""

    min_share: float = Field(0.0057, ge=0.0, lt=1.0)
    """Of rare-class: the class's share of an image to be drawn for it, and of the crop.

    In the paper 3000 pixels of 1024 x 512, and 1500 of a crop of 512 x 512.
    """

    tries: int = Field(10, ge=1)
    """Of rare-class and class-balanced: crops drawn until one shows the class well enough."""

    @property
    def counts_classes(self) -> bool:
        """Whether the masks of the training set have to be counted."""
        return self.kind in {"class-balanced", "repeat-factor", "rare-class"}

    @property
    def crop_share(self) -> float:
        """Share of a crop that its class should have; a single pixel is enough for class-balanced."""
        return self.min_share if self.kind == "rare-class" else 0.0


def build_plan(config: SamplerConfig, data: SegmentationDataset, counts: Callable[[], Counts]) -> Plan:
    """Return the plan of a sampler.

    Args:
        config: the recipe's `train.sampler`.
        data: the training set.
        counts: gives the pixels of each class in each sample, (N, K); called where they are needed.

    Raises:
        RequestError: the data have no weights or no labelled pixel, or nothing would be repeated.
    """
    if config.kind == "uniform":
        return Uniform(len(data))
    if config.kind == "weights":
        return by_weights(_weights(data))
    counts_NK = counts()
    if not counts_NK.any():
        raise RequestError(
            f"train.sampler.kind is {config.kind}, but no pixel of the training set is labelled. "
            "Check the label map and the masks, or use kind: uniform."
        )
    if config.kind == "repeat-factor":
        frequency_K = class_frequency(counts_NK, config.frequency)
        _refuse_no_effect(config, data, frequency_K)
        return repeat_factors(frequency_K, counts_NK > 0, config.threshold)
    if config.kind == "class-balanced":
        return rare_classes(counts_NK, temperature=math.inf, least_NK=counts_NK > 0)
    share_NK = counts_NK / np.maximum(1, counts_NK.sum(axis=1, keepdims=True))
    enough_NK = (counts_NK > 0) & (share_NK >= config.min_share)
    return rare_classes(counts_NK, temperature=config.temperature, least_NK=enough_NK)


def class_frequency(counts_NK: Counts, of: str) -> NDArray[np.float64]:
    """Return how frequent each class is (K,): share of the `images` that have it, or of the `pixels`."""
    if of == "images":
        return np.asarray((counts_NK > 0).mean(axis=0), dtype=np.float64)
    return np.asarray(counts_NK.sum(axis=0) / counts_NK.sum(), dtype=np.float64)


def _weights(data: SegmentationDataset) -> NDArray[np.float64]:
    if data.weights is None:
        raise RequestError(
            f"train.sampler.kind is weights, but {data.kind!r} data carry none. Use a manifest with a column "
            "weight, or one of class-balanced, repeat-factor and rare-class, which count classes."
        )
    weights = np.array(data.weights, dtype=np.float64)
    if not weights.any():
        raise RequestError(
            f"All {len(weights)} training samples have weight 0, so none would ever be drawn; "
            "give those that are wanted a weight above 0."
        )
    return weights


def _refuse_no_effect(
    config: SamplerConfig, data: SegmentationDataset, frequency_K: NDArray[np.float64]
) -> None:
    present = np.flatnonzero(frequency_K)
    rarest = int(present[frequency_K[present].argmin()])
    if frequency_K[rarest] >= config.threshold:
        name, share = data.labels.names[rarest], frequency_K[rarest]
        raise RequestError(
            f"train.sampler.threshold is {config.threshold:g}, but no class is rarer: {name!r}, the rarest, "
            f"has {share:.3g} of the {config.frequency}, so nothing would be repeated. "
            "Give a threshold above that, or use rare-class."
        )
