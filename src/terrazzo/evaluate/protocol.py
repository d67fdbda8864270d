"""The protocol of a score: what was counted, where and how. Two scores compare only under equal protocols."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from terrazzo.core import LabelMap
from terrazzo.datasets import SegmentationDataset
from terrazzo.evaluate.protocols import identify
from terrazzo.metrics import Interval

if TYPE_CHECKING:
    from terrazzo.predict import Method

RESOLUTION: Final = "original ground truth"
"""Every pixel of the truth as it was published."""

AVERAGING: Final = "mean over classes present (union > 0) of the pooled confusion matrix"

BESIDE_THE_SCORE: Final = frozenset({"interval", "notes", "size"})
"""Facts that are no part of the fingerprint: how sure the score is, and what follows from the data."""


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

    size: str = ""
    """Height x width of the ground truths, or "several sizes"; empty where nobody noted it."""

    @classmethod
    def of(
        cls,
        dataset: SegmentationDataset,
        interval: Interval,
        method: "Method | None" = None,
        *,
        sizes: Collection[tuple[int, ...]] = (),
    ) -> "Protocol":
        """Describe an evaluation of every image of a dataset, once.

        Args:
            dataset: what was scored on.
            interval: of the score.
            method: how predictions were made; None: one model on whole images.
            sizes: the different sizes (H, W) of the ground truths.
        """
        from terrazzo.predict import Method

        return cls(
            data=dataset.kind,
            split=dataset.split,
            images=len(dataset),
            data_fingerprint=dataset.fingerprint,
            classes=dataset.labels.names,
            void=void_rule(dataset.labels),
            resolution=_resolution(dataset),
            averaging=AVERAGING,
            **(method or Method()).to_json(),
            interval=interval.method,
            notes=tuple(note for note in (*dataset.notes, interval.note) if note),
            size=_by(sizes),
        )

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> "Protocol":
        """Read what `to_json` wrote; what follows from the rest (fingerprint, name) is worked out again.

        Raises:
            KeyError: a fact is missing.
        """
        known: dict[str, Any] = {
            field.name: facts.get(field.name, "") if field.name == "size" else facts[field.name]
            for field in fields(cls)
        }
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in known.items()}
        return cls(**plain)

    @property
    def name(self) -> str:
        """The named protocol that this one satisfies (see `protocols`); empty where there is none."""
        return identify(self)[0]

    @property
    def nearly(self) -> str:
        """A sentence that says what one thing keeps this from a name; empty where nothing is near."""
        return identify(self)[1]

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits; equal where two scores mean the same thing.

        How the interval was made and the notes do not enter: they do not change what the score is. Nor do
        the size, which follows from the data, and the name, which follows from all that.
        """
        facts = {key: value for key, value in asdict(self).items() if key not in BESIDE_THE_SCORE}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and strings, fingerprint and name among them; None for no name."""
        facts = {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}
        name, nearly = identify(self)
        return {"fingerprint": self.fingerprint, "name": name or None, "nearly": nearly or None, **facts}


def void_rule(labels: LabelMap) -> str:
    """Say which raw values of the ground truth count for nothing."""
    raw = [str(i) for i in labels.void_ids] + [f"rgb{tuple(rgb)}" for rgb in labels.void_colors]
    return f"void pixels of the ground truth ({', '.join(raw) or 'there are none'}) are not counted"


def _resolution(dataset: SegmentationDataset) -> str:
    """Say at which size the truth is; truths that were resized are no original ones."""
    if dataset.resize is None:
        return RESOLUTION
    from terrazzo.datasets.preparation import resized_to

    return f"ground truth resized to {resized_to(dataset.resize)}"


def _by(sizes: Collection[tuple[int, ...]]) -> str:
    if len(sizes) > 1:
        return "several sizes"
    return " x ".join(map(str, next(iter(sizes)))) if sizes else ""
