"""Classes that look exchanged against another dataset: its ids mean other things under the same names."""

from dataclasses import replace

import numpy as np

from terrazzo.core.errors import RequestError
from terrazzo.datasets.reconcile import name_key
from terrazzo.inspect.doctor.labels import exchanged
from terrazzo.inspect.kinds import Kind, finding
from terrazzo.inspect.report import Finding
from terrazzo.inspect.sums import Sums, total
from terrazzo.inspect.survey import Survey

KINDS = {
    "ids-swapped-against": Kind(
        "warning",
        "Classes that look exchanged against another dataset",
        "The same names stand for other ids there, so a model trained on one is scored wrongly on the other.",
        "Look at both; if a label map was copied in another order, correct it in classes.json.",
    ),
}


def swapped_against(survey: Survey, reference: Survey) -> list[Finding]:
    """Compare the looks of the classes that two datasets have in common, by name.

    Args:
        survey: of the data that are inspected.
        reference: of the data that are known to be right.

    Raises:
        RequestError: fewer than two classes have the same name in both.
    """
    mine, theirs = ({name_key(name): k for k, name in enumerate(s.labels.names)} for s in (survey, reference))
    common = [key for key in mine if key in theirs]
    if len(common) < 2:
        raise RequestError(
            f"{survey.source.name} and {reference.source.name} have {len(common)} class names in common; "
            "two or more are needed to see whether their ids were exchanged. Compare data of the same kind."
        )
    moved = exchanged(
        _only(reference, [theirs[key] for key in common]), _only(survey, [mine[key] for key in common])
    )
    if not moved:
        return []
    names = [survey.labels.names[mine[key]] for key in common]
    text = ", ".join(f"{names[k]} looks like {names[j]}" for k, j in moved.items())
    files = [item.mask for item in survey.source.items]
    return [finding(KINDS, "ids-swapped-against", files, f"Compared with {reference.source.name}, {text}.")]


def _only(survey: Survey, classes: list[int]) -> Sums:
    """Return the looks of some classes, in the order given, over all splits."""
    sums = total(list(survey.sums.values()), survey.labels.num_classes)
    chosen = np.array(classes)
    return replace(
        sums, looked=sums.looked[chosen], look=sums.look[chosen], look_squares=sums.look_squares[chosen]
    )
