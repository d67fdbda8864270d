"""Training state: what a resumed run needs, one checked folder per saved step, the last few kept."""

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, cast

import torch
from torch import Tensor

from terrazzo.checkpoint.manifest import Manifest, current_environment
from terrazzo.checkpoint.verify import verify_folder
from terrazzo.checkpoint.write import clean_leftovers, remove_folder, write_folder
from terrazzo.core.errors import CheckpointError

STATE: Final = "state.pt"
OVERHEAD_BYTES: Final = 1 << 20
"""Generous room for what `torch.save` adds to the tensors."""

STEP_FOLDER: Final = re.compile(r"\.?(?P<name>step-(?P<step>\d{8,}))(\.(?P<kind>old|new|gone)-[0-9a-f]+)?")
"""`step-00000123`, or what a crashed writer left beside it, as `.step-00000123.old-1a2b3c4d`."""

PLAIN: Final = (bool, int, float, str, bytes, type(None), torch.Size, torch.dtype, torch.device)


@dataclass(frozen=True)
class LoadedState:
    """The newest saved state that verifies."""

    step: int
    """Optimiser steps done when it was saved."""

    state: dict[str, Any]
    """What was given to `save_state`, tensors on the CPU."""

    folder: Path
    """Where it was read from."""

    passed_over: list[str] = field(default_factory=list)
    """One sentence for each newer state that could not be used."""

    differences: list[str] = field(default_factory=list)
    """One phrase per fact (torch, device, threads, world size) that is not as it was: the bits may differ."""


def save_state(
    root: Path | str,
    step: int,
    state: Mapping[str, Any],
    *,
    keep: int = 2,
    device: torch.device | str | None = None,
) -> Path:
    """Write the state of a run into `root/step-00000123/`, then delete all but the newest `keep`.

    Args:
        root: the run's folder of states.
        step: optimiser steps done, 0 or more.
        state: tensors, numbers, strings, lists, tuples and dicts of them: what loads without running code.
        keep: how many states to keep, 1 or more. States of later steps are deleted too: they belong to a
            future that a resumed run has passed over.
        device: the device that trains; None means the GPU where there is one, else the CPU.

    Returns:
        The folder.

    Raises:
        CheckpointError: the folder cannot be written; earlier states are untouched.
        TypeError: something in the state could not be read back; the message names it.
    """
    if step < 0 or keep < 1:
        raise ValueError(f"step is {step} and keep is {keep}; expected step >= 0 and keep >= 1.")
    content = dict(state)
    tensor_bytes = _check_plain(content, "state")
    folder = write_folder(
        Path(root) / f"step-{step:08d}",
        {STATE: lambda path: _torch_save(content, path)},
        expected_bytes=tensor_bytes + OVERHEAD_BYTES,
        environment=current_environment(device),
    )
    _prune(folder.parent, step, keep)
    return folder


def load_state(root: Path | str, *, device: torch.device | str | None = None) -> LoadedState | None:
    """Read the newest state that verifies.

    Args:
        root: the run's folder of states.
        device: the device that will train, to compare with the one that did; as in `save_state`.

    Returns:
        The state with the newer ones passed over and why; None where nothing was ever saved.

    Raises:
        CheckpointError: states are there, but none of them can be used.
    """
    passed_over: list[str] = []
    for step, folder in _candidates(Path(root)):
        try:
            manifest = verify_folder(folder, only=(STATE,))
            state = _torch_load(folder / STATE)
        except CheckpointError as error:
            passed_over.append(f"Passed over the state of step {step}: {error}")
            continue
        return LoadedState(step, state, folder, passed_over, _differences(manifest, device))
    if passed_over:
        raise CheckpointError(
            f"No saved state in {root} can be used. {' '.join(passed_over)} "
            "Start again in another folder, or restore this one from a copy."
        )
    return None


def _candidates(root: Path) -> list[tuple[int, Path]]:
    """Return (step, folder) of all that may be a whole state, newest first, one in place before one aside."""
    found = [(match, path) for match, path in _step_folders(root) if match["kind"] in {None, "old"}]
    found.sort(key=lambda item: (-int(item[0]["step"]), item[0]["kind"] is not None))
    return [(int(match["step"]), path) for match, path in found]


def _prune(root: Path, step: int, keep: int) -> None:
    """Delete states of later steps and all but the newest `keep`; leftovers of crashes go with them."""
    kept = sorted({whole for whole, _ in _candidates(root) if whole <= step})[-keep:]
    for number, folder in {(int(match["step"]), root / match["name"]) for match, _ in _step_folders(root)}:
        if number in kept:
            clean_leftovers(folder)
        else:
            remove_folder(folder)


def _step_folders(root: Path) -> list[tuple[re.Match[str], Path]]:
    paths = list(root.iterdir()) if root.is_dir() else []
    return [(match, path) for path in paths if (match := STEP_FOLDER.fullmatch(path.name))]


def _differences(manifest: Manifest, device: torch.device | str | None) -> list[str]:
    return manifest.environment.differences(current_environment(device))


def _check_plain(value: Any, where: str) -> int:
    """Return the bytes of all tensors; refuse what `torch.load(weights_only=True)` would refuse later."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if type(value) in {list, tuple, set}:
        return sum(_check_plain(item, f"{where}[{index}]") for index, item in enumerate(value))
    if type(value) in {dict, OrderedDict}:
        return sum(
            _check_plain(key, where) + _check_plain(item, f"{where}[{key!r}]") for key, item in value.items()
        )
    if type(value) in PLAIN:
        return 0
    raise TypeError(
        f"{where} is a {type(value).__module__}.{type(value).__qualname__}, which does not load without "
        "running code; expected tensors, numbers, strings, lists, tuples and dicts. "
        "Turn it into a tensor or a number."
    )


class _RemembersError:
    """A file that remembers why a write failed: `torch.save` may report a full disk as an internal error."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self.file.flush()


def _torch_save(state: dict[str, Any], path: Path) -> None:
    with path.open("wb") as file:
        target = _RemembersError(file)
        try:
            torch.save(state, cast("IO[bytes]", target))
        except Exception as error:
            raise (target.error or error) from None


def _torch_load(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds here: pickle, zip, runtime, end of file
        raise CheckpointError(f"{path} cannot be read by torch {torch.__version__}: {error}") from error
    return state
