"""Class weights of a run: computed from the training set once, then read back from the run folder.

A resumed run has the same weights as the run it goes on with, whatever became of the data.
"""

import json
from pathlib import Path
from typing import Any

from terrazzo.core.errors import CheckpointError
from terrazzo.datasets import SegmentationDataset
from terrazzo.losses.weights import ClassWeights, class_weights, count_labels


def store_class_weights(path: Path, rule: ClassWeights, data: SegmentationDataset) -> None:
    """Compute the weights by a rule and write them, with what they come from; does nothing if they are there.

    Reads every sample once, images included.

    Raises:
        DataError: a sample cannot be read, or no pixel of the training set is labelled.
        CheckpointError: the file cannot be written.
    """
    if rule == "none" or path.exists():
        return
    labels = data.labels
    counts = count_labels((sample["mask"] for sample in data), labels.num_classes, labels.ignore_index)
    facts: dict[str, Any] = {
        "rule": rule,
        "data": data.fingerprint,
        "classes": list(labels.names),
        "pixels": counts.pixels.tolist(),
        "image_pixels": counts.image_pixels.tolist(),
        "weights": class_weights(rule, counts),
    }
    temporary = path.with_suffix(".json.tmp")
    try:
        temporary.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be written ({error.strerror or error}). "
            "Give --out a folder that you may write to and that has free space."
        ) from None


def read_class_weights(path: Path, rule: ClassWeights, num_classes: int) -> tuple[float, ...] | None:
    """Return the run's weights, one per class; None where the rule is "none".

    Raises:
        CheckpointError: the file is missing or damaged, or holds weights of another rule or other classes.
    """
    if rule == "none":
        return None
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        stored, weights = facts["rule"], tuple(float(weight) for weight in facts["weights"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} cannot be read as class weights ({type(error).__name__}: {error}). "
            "Remove it, and they are computed again from the training set."
        ) from None
    if stored != rule or len(weights) != num_classes:
        raise CheckpointError(
            f"{path} holds {len(weights)} class weights by the rule {stored!r}; this run needs {num_classes} "
            f"by {rule!r}. Remove it, and they are computed again from the training set."
        )
    return weights
