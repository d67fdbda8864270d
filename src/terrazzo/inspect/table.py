"""Raw values of masks to classes, for counting: nothing is refused, what is undeclared is counted apart.

Shapes: K classes.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.labels import LabelMap, pack_colors


@dataclass(frozen=True)
class Table:
    """Raw values to classes, for counting: void is K and what is undeclared K + 1."""

    labels: LabelMap

    @property
    def count(self) -> int:
        """K."""
        return self.labels.num_classes

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """(N,) raw id -> class; the last place is undeclared."""
        pairs = [(i, k) for k, c in enumerate(self.labels.classes) for i in c.raw_ids]
        pairs += [(i, self.count) for i in self.labels.void_ids]
        table = np.full(max(256, *(i + 2 for i, _ in pairs)), self.count + 1)
        for raw, k in pairs:
            table[raw] = k
        return table

    @cached_property
    def colors(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Packed colours in rising order, and the class of each."""
        pairs = [(rgb, k) for k, c in enumerate(self.labels.classes) for rgb in c.all_colors]
        pairs += [(rgb, self.count) for rgb in self.labels.void_colors]
        keys = pack_colors(np.array([rgb for rgb, _ in pairs], dtype=np.uint8))
        order = np.argsort(keys)
        return keys[order], np.array([k for _, k in pairs])[order]

    def classes_of(self, values: NDArray[Any], *, colors: bool) -> NDArray[np.int64]:
        """Return the class of each raw id or packed colour, any shape."""
        if not colors:
            last = len(self.ids) - 1
            fits = values.dtype == np.uint8
            found: NDArray[np.int64] = self.ids[
                values if fits else np.where((values < 0) | (values > last), last, values)
            ]
            return found
        keys, classes = self.colors
        place = np.searchsorted(keys, values).clip(max=len(keys) - 1)
        return np.where(keys[place] == values, classes[place], self.count + 1)
