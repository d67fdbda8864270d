"""The folder of a run: what lies where, when it may be used, and whether a resumed recipe is the same one.

best/         model folder: the best validation mIoU so far
last/         model folder: the newest validated weights
state/        the newest two training states, only needed to resume
recipe.yaml   the resolved recipe
class_weights.json  weights of the classes in the loss, where the recipe asks for them
class_pixels.npz    pixels of each class in each training sample, where the sampler counts them
log.csv       one row per logged step
tensorboard/  the same numbers, and sample pictures
report.html   the report on `best`, written at the end
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terrazzo.core.config import read_yaml, write_yaml
from terrazzo.core.errors import CheckpointError, RequestError
from terrazzo.train.recipe import Recipe

FREE_TO_CHANGE = frozenset(
    {"data.root", "data.cache", "train.workers", "train.log_every", "train.save_every"}
)
"""Recipe keys that may differ between a run and its continuation: they do not change the result."""


@dataclass(frozen=True)
class RunFolder:
    """The paths of a run."""

    root: Path

    @property
    def best(self) -> Path:
        """Model folder with the best validation mIoU."""
        return self.root / "best"

    @property
    def last(self) -> Path:
        """Model folder with the newest validated weights."""
        return self.root / "last"

    @property
    def state(self) -> Path:
        """Folder of saved training states."""
        return self.root / "state"

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.root / "recipe.yaml"

    @property
    def class_weights(self) -> Path:
        """The class weights that the training set gave."""
        return self.root / "class_weights.json"

    @property
    def class_pixels(self) -> Path:
        """The pixels of each class in each training sample."""
        return self.root / "class_pixels.npz"

    @property
    def log(self) -> Path:
        """The training log."""
        return self.root / "log.csv"

    @property
    def report(self) -> Path:
        """The report on the best model."""
        return self.root / "report.html"


def open_run_folder(root: str | Path, recipe: Recipe, *, resume: bool) -> RunFolder:
    """Make or reopen a run's folder and write the resolved recipe into it.

    Raises:
        RequestError: the folder holds a run and `resume` is off, or holds a run of another recipe.
        CheckpointError: the folder cannot be made or written.
    """
    folder = RunFolder(Path(root))
    if folder.recipe.exists():
        if not resume:
            raise RequestError(
                f"{folder.root} already holds a run. Add --resume to go on with it, or give another --out."
            )
        _refuse_other_recipe(folder, recipe)
    try:
        folder.root.mkdir(parents=True, exist_ok=True)
        temporary = folder.recipe.with_suffix(".yaml.tmp")
        temporary.write_text(write_yaml(recipe.model_dump(mode="json")), encoding="utf-8")
        temporary.replace(folder.recipe)
    except OSError as error:
        raise CheckpointError(
            f"{folder.root} cannot be written ({error.strerror or error}). "
            "Give --out a folder that you may write to and that has free space."
        ) from None
    return folder


def _refuse_other_recipe(folder: RunFolder, recipe: Recipe) -> None:
    before = _flat(read_yaml(folder.recipe))
    now = _flat(recipe.model_dump(mode="json"))
    changed = [
        f"  {key}: {before.get(key, 'not set')!r} before, {now.get(key, 'not set')!r} now"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and key not in FREE_TO_CHANGE
    ]
    if changed:
        raise RequestError(
            f"{folder.root} holds a run of another recipe:\n"
            + "\n".join(changed)
            + "\nResume with the same settings, or give another --out."
        )


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn nested keys into dotted ones; lists stay values."""
    flat: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
