"""Fit a temperature on one half of the data, judge it on the other, and keep it in the model's card.

Memory does not grow with the images: of the fitting half only some pixels' logits are kept, of the judging
half only sums. Labels do not change, so no score that is read from labels does.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from terrazzo.core import DataError, RequestError
from terrazzo.core.randomness import Stream, generator
from terrazzo.datasets import SegmentationDataset
from terrazzo.evaluate.halves import divide
from terrazzo.evaluate.protocol import Protocol
from terrazzo.evaluate.run import Progress, check_labels
from terrazzo.evaluate.scaling import TemperatureScaling
from terrazzo.metrics import Interval, Judged
from terrazzo.metrics.calibration import Calibration, nll
from terrazzo.metrics.intervals import bootstrap_rows
from terrazzo.metrics.temperature import at_the_end, fit_temperature

if TYPE_CHECKING:
    from terrazzo.checkpoint import Card
    from terrazzo.core.prediction import Prediction
    from terrazzo.predict import Inference, Predictor

PIXELS: Final = 1 << 18
"""Pixels that the temperature is fitted on, in equal shares per image: the error of sampling them is far
below that of which images there are."""

SCORES: Final = ("ece", "mce", "classwise_ece", "nll", "brier", "confidence", "accuracy")
"""What is compared before and after."""


def calibrate(
    predictor: "Predictor",
    dataset: SegmentationDataset,
    *,
    pixels: int = PIXELS,
    seed: int = 0,
    progress: Progress | None = None,
) -> TemperatureScaling:
    """Fit a temperature to a model's logits and judge it; nothing is written (see `store`).

    A temperature that the model has already is left out of account, so that fitting again gives the same.

    Args:
        predictor: the model, with the test-time augmentation that it will be used with.
        dataset: labelled images that it was not trained on.
        pixels: about how many pixels to fit on.
        seed: of the counted generator that draws them.
        progress: called after every image, of both halves together.

    Raises:
        RequestError: the classes differ, or there are fewer than two images.
        DataError: the half to fit on is void throughout, or a file is unreadable.
    """
    from terrazzo.predict.tempered import uncalibrated

    check_labels(predictor.labels, dataset.labels)
    halves = divide(dataset.groups)
    inference = uncalibrated(predictor.inference)
    done = _counter(progress, len(dataset))
    logits_NK, truth_N = _drawn(inference, dataset, halves.fitted, pixels, seed, done)
    temperature = fit_temperature(logits_NK, truth_N)
    before, after = _judge(inference, dataset, halves.judged, temperature, done)
    return TemperatureScaling(
        temperature=temperature,
        before=_chosen(before),
        after=_chosen(after),
        gain=_gain(before, after),
        halves=halves,
        pixels=len(truth_N),
        protocol=Protocol.of(dataset, before.interval("nll"), inference.method),
        reliability_before=tuple(before.reliability()),
        reliability_after=tuple(after.reliability()),
    )


def store(folder: Path | str, found: TemperatureScaling) -> "Card":
    """Write a temperature into a model folder, atomically; what was there before is replaced.

    Raises:
        RequestError: the data told no temperature.
        CheckpointError: the folder is damaged or cannot be written.
    """
    from terrazzo.checkpoint import replace_card

    if at_the_end(found.temperature):
        raise RequestError(f"{found.notes[-1]} Nothing was written; fit it on more images, with some errors.")
    return replace_card(folder, lambda card: card.model_copy(update={"calibration": found.to_card()}))


def _drawn(
    inference: "Inference",
    dataset: SegmentationDataset,
    places: tuple[int, ...],
    pixels: int,
    seed: int,
    done: Callable[[], None],
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return the full-size logits (N, K) and truth (N) of pixels drawn from every image in equal shares."""
    share = max(1, pixels // len(places))
    logits, truth = [], []
    for place in places:
        sample = dataset[place]
        random = generator(seed, Stream.CALIBRATION, place)
        chosen = np.flatnonzero(sample["mask"] != dataset.labels.ignore_index)
        if len(chosen) > share:
            chosen = np.sort(random.choice(chosen, share, replace=False))
        logits.append(_logits_at(inference(sample["image"]), chosen))
        truth.append(sample["mask"].reshape(-1)[chosen])
        done()
    if not sum(map(len, truth)):
        raise DataError(
            f"The {len(places)} images to fit the temperature on are void throughout. "
            "Give images with labels."
        )
    return np.concatenate(logits), np.concatenate(truth)


def _logits_at(prediction: "Prediction", chosen: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return the logits (n, K) of some pixels at full size."""
    import torch

    with torch.inference_mode():
        full_KN = prediction.full_size()[0].flatten(start_dim=1)
        logits_nK: NDArray[np.float32] = full_KN[:, torch.from_numpy(chosen)].T.contiguous().cpu().numpy()
    return logits_nK


def _judge(
    inference: "Inference",
    dataset: SegmentationDataset,
    places: tuple[int, ...],
    temperature: float,
    done: Callable[[], None],
) -> tuple[Calibration, Calibration]:
    """Measure the judging half without and with the temperature, every pixel of it."""
    from terrazzo.predict import to_ids
    from terrazzo.predict.tempered import temper

    labels = dataset.labels
    before, after = (Calibration(labels.num_classes, labels.ignore_index) for _ in range(2))
    for place in places:
        sample = dataset[place]
        prediction = inference(sample["image"])
        ids = to_ids(prediction)
        for meter, said in ((before, prediction), (after, temper(prediction, temperature))):
            meter.add(Judged(sample["id"], sample["group"], sample["mask"], ids, said))
        done()
    return before, after


def _gain(before: Calibration, after: Calibration) -> Interval:
    """Return the interval of the paired difference: both see the same images in each resample."""
    width = before.rows.shape[1]
    both_NX = np.hstack([before.rows, after.rows])
    return bootstrap_rows(
        both_NX, before.groups, before.ids, lambda sums: nll(sums[..., :width]) - nll(sums[..., width:])
    )


def _chosen(meter: Calibration) -> dict[str, float]:
    scores = meter.scores()
    return {name: scores[name] for name in SCORES}


def _counter(progress: Progress | None, total: int) -> Callable[[], None]:
    """Return a function to call after every image."""
    seen = 0

    def done() -> None:
        nonlocal seen
        seen += 1
        if progress is not None:
            progress(seen, total)

    return done
