"""What an inspection found: plain frozen facts, and the same as JSON. Nothing here computes.

The page, the `--json` file and the terminal show these facts and no others.

Shapes: K classes in train-id order, C image channels.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]
"""error: training or scores are wrong until it is repaired. warning: look at it. note: good to know."""

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""The gravest first."""

LOCATION_ROWS, LOCATION_COLUMNS = 24, 32
"""The grid that says where in the frame a class lives."""


@dataclass(frozen=True)
class SplitFacts:
    """One split."""

    images: int
    """Pairs of image and mask that were found, readable or not."""

    groups: int | None
    """Scenes or videos the images are from; None where the data do not say."""


@dataclass(frozen=True)
class SizeFacts:
    """Images of one size, upright, in pixels."""

    height: int
    width: int
    images: int


@dataclass(frozen=True)
class ClassFacts:
    """One class over all images."""

    name: str
    color: tuple[int, int, int]
    """RGB, 0..255 each."""

    pixels: int
    images: int
    """Images in which at least one pixel is of the class."""


@dataclass(frozen=True)
class ChannelFacts:
    """Mean and standard deviation over all pixels, in pixel units (0..255 for 8-bit images)."""

    mean: tuple[float, ...]
    """(C,)"""

    std: tuple[float, ...]
    """(C,)"""


@dataclass(frozen=True)
class Recommendation:
    """What to start training with on this machine."""

    crop: tuple[int, int]
    """(height, width), pixels."""

    batch_size: int
    why: str
    """Sentences for people."""


@dataclass(frozen=True)
class Finding:
    """Something wrong with the data, or worth knowing."""

    kind: str
    """A key of `terrazzo.inspect.kinds.KINDS`."""

    severity: Severity
    files: tuple[str, ...]
    """Relative to the data's folder, with forward slashes; empty where the data as a whole are meant."""

    message: str
    """What was found, with numbers, and why it matters."""

    advice: str
    """What to do."""

    fixable: bool
    """Whether `terrazzo inspect DATA --fix OUT` repairs it."""


@dataclass(frozen=True)
class Suspect:
    """An image whose label a trained model contradicts."""

    file: str
    """The mask, relative to the data's folder."""

    score: float
    """0..1, higher is more suspect."""

    reason: str


@dataclass(frozen=True)
class InspectReport:
    """Everything an inspection says."""

    data: str
    """What was inspected, as a person named it."""

    images: int
    """Pairs that could be read."""

    splits: dict[str, SplitFacts]
    sizes: tuple[SizeFacts, ...]
    """The most frequent first."""

    classes: tuple[ClassFacts, ...]
    """K, in train-id order."""

    void_pixels: int
    channels: ChannelFacts
    """Of the images with the most frequent number of channels."""

    cooccurrence: tuple[tuple[int, ...], ...]
    """(K, K): images in which both classes occur; the diagonal is `ClassFacts.images`."""

    location: tuple[tuple[tuple[float, ...], ...], ...]
    """(K, 24, 32): share of the class's pixels in each cell of the frame; sums to 1, or 0 without pixels."""

    class_weights: dict[str, tuple[float, ...]]
    """Rule of `terrazzo.losses.weights` -> K weights."""

    recommendation: Recommendation | None
    """None where no pair could be read."""

    findings: tuple[Finding, ...]
    """The gravest first."""

    suspects: tuple[Suspect, ...] = ()
    """The most suspect first; only with a model."""

    def count(self, severity: Severity) -> int:
        """Return how many findings have a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return plain lists, dicts and numbers: the `--json` file."""
        return asdict(self)
