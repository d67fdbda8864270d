"""TemperatureScaling: a temperature with all that must be known before it is trusted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from terrazzo.evaluate.halves import Halves
from terrazzo.evaluate.protocol import Protocol
from terrazzo.metrics import Interval
from terrazzo.metrics.scores import plain
from terrazzo.metrics.temperature import at_the_end

if TYPE_CHECKING:
    from terrazzo.checkpoint import CardCalibration

SEEN: Final = "These are images that models are trained on, and of images seen in training they are surer."


@dataclass(frozen=True)
class TemperatureScaling:
    """A temperature, and what it does to the probabilities of images that it was not fitted on."""

    temperature: float
    """What logits are to be divided by; above 1: the model was overconfident."""

    before: Mapping[str, float]
    """Scores of the judging half as the model is; names as in `Calibration.scores`."""

    after: Mapping[str, float]
    """The same with the temperature."""

    gain: Interval
    """Of the negative log-likelihood before less after, in nats per pixel: the temperature helps above 0."""

    halves: Halves
    pixels: int
    """How many pixels the temperature was fitted on."""

    protocol: Protocol
    """Of the whole data and the method; its fingerprint goes into the card."""

    reliability_before: tuple[Mapping[str, Any], ...]
    """The reliability diagram of the judging half; rows as `Calibration.reliability`."""

    reliability_after: tuple[Mapping[str, Any], ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know before trusting the numbers."""
        end = (
            f"The temperature is at the end of the range that is searched ({self.temperature:g}): these "
            "images do not tell what it should be."
        )
        said = [
            self.halves.note,
            SEEN if self.protocol.split in {"train", "all"} else "",
            self.gain.note,
            end if at_the_end(self.temperature) else "",
        ]
        return tuple(note for note in said if note)

    @property
    def verdict(self) -> str:
        """What was found, in one sentence."""
        percent = {name: f"{100 * value:.1f} %" for name, value in self.before.items()}
        how = "overconfident" if self.before["confidence"] > self.before["accuracy"] else "underconfident"
        helps = "lowers" if self.after["ece"] < self.before["ece"] else "does not lower"
        return (
            f"The probabilities are {how} (mean confidence {percent['confidence']}, accuracy "
            f"{percent['accuracy']}): a temperature of {self.temperature:.4g} {helps} the calibration error "
            f"of images it was not fitted on, from {percent['ece']} to {100 * self.after['ece']:.1f} %."
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "temperature": self.temperature,
            "before": {name: plain(value) for name, value in self.before.items()},
            "after": {name: plain(value) for name, value in self.after.items()},
            "nll_gain_interval": [plain(self.gain.low), plain(self.gain.high)],
            "interval": self.gain.method,
            "halves": {
                "by": self.halves.by,
                "fitted_images": len(self.halves.fitted),
                "judged_images": len(self.halves.judged),
                "fitted_pixels": self.pixels,
            },
            "bins": {"before": list(self.reliability_before), "after": list(self.reliability_after)},
            "notes": list(self.notes),
            "protocol": self.protocol.to_json(),
        }

    def to_card(self) -> "CardCalibration":
        """Return what the model's card keeps."""
        from terrazzo.checkpoint import CardCalibration

        data = f"{self.protocol.data} {self.protocol.split}, {self.halves.by}"
        return CardCalibration(
            temperature=self.temperature,
            tta=self.protocol.tta,
            members=self.protocol.members,
            fitted_on=f"{data}: {len(self.halves.fitted)} images, {self.pixels} pixels of them",
            judged_on=f"{data}: the other {len(self.halves.judged)} images, all pixels",
            protocol=self.protocol.fingerprint,
            before={name: plain(value) for name, value in self.before.items()},
            after={name: plain(value) for name, value in self.after.items()},
        )
