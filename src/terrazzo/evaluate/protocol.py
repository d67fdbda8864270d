"""The protocol of a score: what was counted, where and how. Two scores compare only under equal protocols."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from terrazzo.core import LabelMap
from terrazzo.datasets import SegmentationDataset
from terrazzo.metrics import Interval

if TYPE_CHECKING:
    from terrazzo.predict import Method

RESOLUTION: Final = "original ground truth"
AVERAGING: Final = "mean over classes present (union > 0) of the pooled confusion matrix"


@dataclass(frozen=True)
class Protocol:
    """Everything that a score must not be quoted without."""

    data: str
    """Kind of the dataset."""

    split: str
    """Which part of it."""

    images: int
    """How many images were counted, all of them whole."""

    data_fingerprint: str
    """The dataset's own fingerprint: kind, split, image ids and label map."""

    classes: tuple[str, ...]
    """Class names in train-id order; void is not one."""

    void: str
    """What counts for nothing."""

    resolution: str
    """The size at which predictions were compared with the truth."""

    averaging: str
    """How `miou` averages."""

    tta: str
    """Test-time augmentation."""

    tiles: str
    """How large images were cut, and blended again."""

    members: str
    """How many networks, or random passes through one, were averaged."""

    postprocess: str
    """What was done to the labels afterwards."""

    interval: str
    """How the interval was made."""

    notes: tuple[str, ...]
    """What a reader must know beyond that: about the data, about the interval."""

    @classmethod
    def of(
        cls, dataset: SegmentationDataset, interval: Interval, method: "Method | None" = None
    ) -> "Protocol":
        """Describe an evaluation of every image of a dataset, once; by default one model on whole images."""
        from terrazzo.predict import Method

        return cls(
            data=dataset.kind,
            split=dataset.split,
            images=len(dataset),
            data_fingerprint=dataset.fingerprint,
            classes=dataset.labels.names,
            void=void_rule(dataset.labels),
            resolution=RESOLUTION,
            averaging=AVERAGING,
            **(method or Method()).to_json(),
            interval=interval.method,
            notes=tuple(note for note in (*dataset.notes, interval.note) if note),
        )

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits; equal where two scores mean the same thing.

        How the interval was made and the notes do not enter: they do not change what the score is.
        """
        facts = {key: value for key, value in asdict(self).items() if key not in {"interval", "notes"}}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and strings, the fingerprint among them."""
        facts = {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}
        return {"fingerprint": self.fingerprint, **facts}


def void_rule(labels: LabelMap) -> str:
    """Say which raw values of the ground truth count for nothing."""
    raw = [str(i) for i in labels.void_ids] + [f"rgb{tuple(rgb)}" for rgb in labels.void_colors]
    return f"void pixels of the ground truth ({', '.join(raw) or 'there are none'}) are not counted"
