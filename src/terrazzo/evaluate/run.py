"""Model and data in, counts and scores out. Validation during training, `evaluate` and reports all end here.

Every image is predicted by itself at its own size (`predict.segment`) and compared with its ground truth at
the ground truth's own resolution, pixel by pixel.
"""

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core import LabelMap, RequestError, Sample
from terrazzo.core.memory import freed_memory_kept
from terrazzo.datasets import SegmentationDataset
from terrazzo.evaluate.evaluation import Evaluation
from terrazzo.evaluate.protocol import Protocol
from terrazzo.evaluate.speed import Stopwatch
from terrazzo.metrics import ConfusionCounts, Judged, Meter, bootstrap_interval, score

if TYPE_CHECKING:
    from terrazzo.core.prediction import Prediction
    from terrazzo.models.base import SegmentationModel
    from terrazzo.predict import Answer, Method, Predictor

Predict = Callable[[NDArray[Any]], "NDArray[Any] | Answer"]
"""From a raw image (H, W, C) to train ids (H, W), or to these and the prediction they come from."""

Progress = Callable[[int, int], None]
"""Called with (images done, images in all) after every image."""


def evaluate(
    model: "SegmentationModel | Predictor",
    dataset: SegmentationDataset,
    *,
    meters: Mapping[str, Meter] | None = None,
    watch: Stopwatch | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Score a network on every image of a dataset.

    Args:
        model: a network, in any mode and on any device, left as it was; or a predictor, with its tiles,
            test-time augmentation and the like.
        dataset: images with ground truth.
        meters: what to measure beside the counts, by name.
        watch: takes the time of every prediction.
        progress: called after every image.

    Raises:
        RequestError: the model's classes or channels are not the dataset's, or there is no image.
        DataError: a file is unreadable or holds undeclared labels.
    """
    from terrazzo.predict import Predictor, TorchBackend, WholeImage, answer_of

    network = model.model if isinstance(model, Predictor) else model
    check_fits(network, dataset)
    predictor = model if isinstance(model, Predictor) else None
    whole = WholeImage(TorchBackend(network))  # made here: it is of the weights as they are now
    predict: Predict = predictor.answer if predictor else lambda image: answer_of(whole(image))
    return evaluate_with(
        watch.timed(predict) if watch else predict,
        dataset,
        method=(lambda: predictor.method) if predictor else None,
        meters=meters,
        progress=progress,
    )


def evaluate_with(
    predict: Predict,
    dataset: SegmentationDataset,
    *,
    method: "Callable[[], Method] | None" = None,
    meters: Mapping[str, Meter] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Score anything that turns an image into train ids, exactly as `evaluate` scores a network.

    Args:
        predict: from a raw image (H, W, C) to train ids (H, W) of the dataset's label map, or to an `Answer`.
        dataset: images with ground truth.
        method: asked at the end how predictions were made, for the protocol; None: by one model, once, on
            the whole image.
        meters: what to measure beside the counts, by name; some need an `Answer`.
        progress: called after every image.

    Raises:
        RequestError: there is no image, or a meter needs probabilities and `predict` gives none.
        DataError: a prediction has another size than its ground truth, or holds an id that is no class.
    """
    check_some(dataset)
    meters = meters or {}
    counts = ConfusionCounts(dataset.labels.num_classes, ignore_index=dataset.labels.ignore_index)
    sizes: set[tuple[int, ...]] = set()
    with freed_memory_kept():
        for index in range(len(dataset)):
            sample = dataset[index]
            sizes.add(sample["mask"].shape)
            judged = _judge(sample, predict(sample["image"]))
            counts.add(judged.ids, judged.truth, judged.id, judged.group)
            for meter in meters.values():
                meter.add(judged)
            if progress is not None:
                progress(index + 1, len(dataset))
    details = {name: meter.to_json() for name, meter in meters.items()}
    return sum_up(counts, dataset, method() if method else None, sizes=sizes, details=details)


def sum_up(
    counts: ConfusionCounts,
    dataset: SegmentationDataset,
    method: "Method | None",
    *,
    sizes: Collection[tuple[int, ...]],
    details: Mapping[str, dict[str, Any]] | None = None,
) -> Evaluation:
    """Return all that follows from the counts of every image of a dataset.

    Args:
        counts: of all images, in the dataset's order.
        dataset: where they are from.
        method: how predictions were made; None: by one model, once, on the whole image.
        sizes: the different sizes (H, W) of the ground truths.
        details: what was measured beside the counts.
    """
    interval = bootstrap_interval(counts)
    protocol = Protocol.of(dataset, interval, method, sizes=sizes)
    return Evaluation(counts, score(counts, dataset.labels.names), interval, protocol, details or {})


def _judge(sample: Sample, said: "NDArray[Any] | Answer") -> Judged:
    """Put a prediction beside its truth."""
    return Judged(sample["id"], sample["group"], sample["mask"], *ids_and_prediction(said))


def ids_and_prediction(said: "NDArray[Any] | Answer") -> "tuple[NDArray[Any], Prediction | None]":
    """Return the train ids (H, W) that a `Predict` gave, and the prediction behind them where it gave one."""
    return (said, None) if isinstance(said, np.ndarray) else (said.ids, said.prediction)


def check_some(dataset: SegmentationDataset) -> None:
    """Refuse a dataset without images.

    Raises:
        RequestError: there are none.
    """
    if not len(dataset):
        raise RequestError(
            f"The split {dataset.split!r} of this {dataset.kind} dataset has no images, so there is "
            "nothing to score. Choose another split."
        )


def check_fits(network: "SegmentationModel", dataset: SegmentationDataset) -> None:
    """Refuse data of other classes or channels than a network's.

    Raises:
        RequestError: names both numbers and what to do.
    """
    check_classes(network.num_classes, dataset.labels)
    _check_channels(network.in_channels, dataset)


def check_classes(num_classes: int, labels: LabelMap) -> None:
    """Refuse a model whose number of classes is not the label map's.

    Raises:
        RequestError: names both numbers and what to do.
    """
    if num_classes != labels.num_classes:
        raise RequestError(
            f"The model has {num_classes} classes, but the data's labels have {labels.num_classes} "
            f"({', '.join(labels.names)}); void is not counted. Evaluate on data with the model's own "
            f"labels, or train a model with num_classes={labels.num_classes}."
        )


def check_labels(card_labels: LabelMap, dataset_labels: LabelMap) -> None:
    """Refuse data whose classes are not, by name and order, those that a saved model was trained on.

    Args:
        card_labels: from the model's card.
        dataset_labels: of the data to score on.

    Raises:
        RequestError: names the first class that differs, on both sides.
    """
    check_classes(card_labels.num_classes, dataset_labels)
    if card_labels.names == dataset_labels.names:
        return
    pairs = enumerate(zip(card_labels.names, dataset_labels.names, strict=True))
    position, (mine, theirs) = next(item for item in pairs if item[1][0] != item[1][1])
    same = set(card_labels.names) == set(dataset_labels.names)
    how = "The names are the same in another order" if same else "A score would compare different things"
    raise RequestError(
        f"The model's class {position} is {mine!r}, but the data's is {theirs!r}. {how}. "
        f"Give the dataset the model's label map: {', '.join(card_labels.names)}."
    )


def _check_channels(in_channels: int, dataset: SegmentationDataset) -> None:
    if in_channels != dataset.in_channels:
        raise RequestError(
            f"The model takes {in_channels}-channel images, but the data's have {dataset.in_channels}. "
            f"Evaluate on data of the model's kind, or train a model with in_channels={dataset.in_channels}."
        )
