"""ConfusionCounts: everything a score is computed from, as integers, kept per image.

Shapes: N images counted so far, K classes (void is never one of them), H and W of one image.
Rows are the truth, columns the prediction, everywhere.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core import IGNORE, DataError
from terrazzo.kernels.confusion import count_confusion

Matrix = NDArray[np.int64]


class ConfusionCounts:
    """Confusion matrices of the images of one dataset; grows by `add` and `merge`, never shrinks.

    Void pixels of the truth are not counted, whatever was predicted there. Every image counts once:
    an id that comes twice is refused, so that neither a padded distributed sampler nor a file given
    twice can bend a score.

    Args:
        num_classes: K.
        ignore_index: the train id of void in the truth.
    """

    def __init__(self, num_classes: int, *, ignore_index: int = IGNORE) -> None:
        if num_classes < 1:
            raise ValueError(f"num_classes must be 1 or more; {num_classes} was given.")
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self._matrices: list[Matrix] = []
        self._ids: dict[str, None] = {}
        self._groups: list[str | None] = []

    @classmethod
    def of(
        cls,
        per_image: NDArray[Any],
        ids: Sequence[str],
        groups: Sequence[str | None],
        *,
        ignore_index: int = IGNORE,
    ) -> "ConfusionCounts":
        """Take images that have been counted already.

        Args:
            per_image: (N, K, K) pixel counts, rows = truth.
            ids: of the N images.
            groups: of the N images.
            ignore_index: the train id of void in the truth.

        Raises:
            ValueError: an image comes twice, or there are not N of each.
        """
        counts = cls(per_image.shape[-1], ignore_index=ignore_index)
        for matrix, id, group in zip(per_image, ids, groups, strict=True):
            counts._append(matrix.astype(np.int64), id, group)
        return counts

    def add(
        self, prediction: NDArray[Any], target: NDArray[Any], id: str, group: str | None = None
    ) -> Matrix:
        """Count one image.

        Args:
            prediction: (H, W) predicted class ids, 0..K-1.
            target: (H, W) true train ids, 0..K-1 and `ignore_index`.
            id: the image's id, unique among the images counted.
            group: the scene or video that the image came from, where known.

        Returns:
            (K, K) int64, this image's own matrix.

        Raises:
            DataError: the two differ in size, or hold an id that is no class; names the image.
            ValueError: an image of this id has been counted already.
        """
        try:
            matrix = count_confusion(prediction, target, self.num_classes, ignore_index=self.ignore_index)
        except DataError as error:
            raise DataError(f"{id}: {error}") from error
        self._append(matrix, id, group)
        return matrix

    def merge(self, other: "ConfusionCounts") -> None:
        """Append the images of another count of the same classes, for instance another process's share.

        Raises:
            ValueError: the number of classes or the void id differ, or an image is in both.
        """
        mine, theirs = (self.num_classes, self.ignore_index), (other.num_classes, other.ignore_index)
        if mine != theirs:
            raise ValueError(f"Counts of (classes, void id) {mine} and {theirs} cannot be merged.")
        for matrix, id, group in zip(other._matrices, other.ids, other.groups, strict=True):
            self._append(matrix, id, group)

    def __len__(self) -> int:
        """Return N, the number of images counted."""
        return len(self._matrices)

    @property
    def pooled(self) -> Matrix:
        """(K, K) int64: the sum over all images."""
        total = np.zeros((self.num_classes, self.num_classes), dtype=np.int64)
        for matrix in self._matrices:
            total += matrix
        return total

    @property
    def per_image(self) -> Matrix:
        """(N, K, K) int64, in the order of `ids`."""
        empty = np.zeros((0, self.num_classes, self.num_classes), dtype=np.int64)
        return np.stack(self._matrices) if self._matrices else empty

    def matrix(self, index: int) -> Matrix:
        """Return the (K, K) matrix of one image, by its place in `ids`."""
        return self._matrices[index]

    @property
    def ids(self) -> tuple[str, ...]:
        """The images' ids in the order in which they were counted."""
        return tuple(self._ids)

    @property
    def groups(self) -> tuple[str | None, ...]:
        """The images' groups, in the order of `ids`."""
        return tuple(self._groups)

    def _append(self, matrix: Matrix, id: str, group: str | None) -> None:
        if id in self._ids:
            raise ValueError(f"The image {id!r} has been counted already; every image counts once.")
        self._ids[id] = None
        self._matrices.append(matrix)
        self._groups.append(group)
