"""Where the label map of a dataset of one's own comes from: an option, or the classes.json beside it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from terrazzo.core.images import Encoded
from terrazzo.core.label_files import read_label_map
from terrazzo.core.labels import LabelMap
from terrazzo.datasets.first_look import ask_for_classes


def labels_for(
    classes: str | Path | LabelMap | None, beside: Path, masks: Callable[[], Sequence[Path | Encoded]]
) -> LabelMap:
    """Return the label map a person gave, or that of a folder.

    Args:
        classes: a label map, or the path of a classes.json; None looks into the folder.
        beside: the folder that may hold classes.json.
        masks: gives masks to look at, where there is no such file.

    Raises:
        ConfigError: the file is wrong, or missing: then the message says what masks hold and what to write.
    """
    if isinstance(classes, LabelMap):
        return classes
    path = beside / "classes.json" if classes is None else Path(classes)
    if classes is None and not path.is_file():
        raise ask_for_classes(path, masks())
    return read_label_map(path)
