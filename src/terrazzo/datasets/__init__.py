"""Datasets: images with masks, from folders or made on the fly, one `Sample` at a time."""

from terrazzo.datasets.base import SPLITS, PairDataset, SegmentationDataset
from terrazzo.datasets.build import DATASETS, build_dataset, kind_labels, open_dataset

__all__ = [
    "DATASETS",
    "SPLITS",
    "PairDataset",
    "SegmentationDataset",
    "build_dataset",
    "kind_labels",
    "open_dataset",
]
