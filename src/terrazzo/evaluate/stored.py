"""Evaluations in files: everything that follows from the counts is worked out again when they are read."""

from pathlib import Path

from terrazzo.core import DataError
from terrazzo.evaluate.evaluation import Evaluation
from terrazzo.evaluate.protocol import Protocol
from terrazzo.metrics import bootstrap_interval, load_counts, save_counts, score


def save_evaluation(path: Path | str, evaluation: Evaluation) -> None:
    """Write the counts per image and the protocol, for `terrazzo compare`.

    Args:
        path: the file, by custom `.npz`.
        evaluation: what to keep; its details are not kept.

    Raises:
        RequestError: the file cannot be written.
    """
    save_counts(Path(path), evaluation.counts, {"protocol": evaluation.protocol.to_json()})


def load_evaluation(path: Path | str) -> Evaluation:
    """Read what `save_evaluation` wrote.

    Raises:
        DataError: the file is missing, damaged or of another kind, or its counts are not of its protocol.
    """
    counts, facts = load_counts(Path(path))
    try:
        protocol = Protocol.from_json(facts["protocol"])
    except (KeyError, TypeError) as error:
        raise DataError(f"{path} holds counts without their protocol ({error}). Write them again.") from None
    if (len(protocol.classes), protocol.images) != (counts.num_classes, len(counts)):
        raise DataError(
            f"{path} holds counts of {len(counts)} images and {counts.num_classes} classes, but its protocol "
            f"says {protocol.images} and {len(protocol.classes)}. Write them again."
        )
    return Evaluation(counts, score(counts, protocol.classes), bootstrap_interval(counts), protocol)
