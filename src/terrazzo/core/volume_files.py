"""NIfTI files to arrays and back: `.nii` and `.nii.gz`, by way of nibabel, the extra `volumes`.

A file has its axes in any order and direction, and an affine that says which. Here every volume is (D, H, W):
slices from the feet up, rows from the back to the front, columns from the left to the right of the patient
(nibabel's "RAS+", last axis first). So two files of one patient fit, whoever wrote them.

    uint8 and uint16 without scaling       as stored
    everything else                        float32, scaled as the header says
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import DataError, MissingExtraError, TerrazzoError

VOLUME_SUFFIXES = (".nii", ".nii.gz")


@dataclass(frozen=True)
class Space:
    """Where the voxels of a volume are."""

    size: tuple[int, int, int]
    """(D, H, W)."""

    channels: int
    affine: NDArray[np.float64]
    """(4, 4): (column, row, slice) to millimetres."""

    def differs_from(self, other: "Space") -> str:
        """Say in words how two spaces differ, empty where they do not; a hundredth of a voxel is nothing."""
        if self.size != other.size:
            return f"{_by(self.size)} and {_by(other.size)} (depth x height x width)"
        voxel = float(np.abs(self.affine[:3, :3]).max())
        off = float(np.abs(self.affine - other.affine).max())
        return f"the same size, but {off:.3g} mm apart" if off > 0.01 * max(voxel, 1e-6) else ""


def is_volume(path: str | Path) -> bool:
    """Say by its name whether a file is a volume."""
    return str(path).lower().endswith(VOLUME_SUFFIXES)


def volume_stem(path: Path) -> str:
    """Return the file name without .nii or .nii.gz."""
    name = path.name
    return next((name[: -len(s)] for s in VOLUME_SUFFIXES[::-1] if name.lower().endswith(s)), path.stem)


def read_space(path: Path) -> Space:
    """Read where a volume's voxels are, from its header alone.

    Raises:
        DataError: the file is missing, damaged, or has no three sides.
        MissingExtraError: nibabel is not installed.
    """
    with _opened(path) as image:
        return _space(image)


def read_volume(path: Path) -> NDArray[Any]:
    """Read a volume as (D, H, W, C), see the top of this file.

    Raises:
        DataError: as `read_space`; also values that are no finite numbers.
        MissingExtraError: nibabel is not installed.
    """
    with _opened(path) as image:
        stored = image.get_data_dtype()
        plain = stored in (np.uint8, np.uint16) and image.dataobj.slope == 1 and image.dataobj.inter == 0
        values = (
            np.asanyarray(image.dataobj) if plain else image.get_fdata(dtype=np.float32, caching="unchanged")
        )
        pixels = _upright(values, image)
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise DataError(
            f"{path}: {int((~np.isfinite(pixels)).sum())} voxels are not finite. Fill them with a number; "
            "what is unknown belongs into the mask as void."
        )
    return pixels


def read_label_volume(path: Path) -> NDArray[Any]:
    """Read a volume of ids as (D, H, W), whole numbers whatever type they are stored as.

    Raises:
        DataError: as `read_space`; also several channels, or values that are no whole numbers.
        MissingExtraError: nibabel is not installed.
    """
    with _opened(path) as image:
        labels = _upright(np.asanyarray(image.dataobj), image)
    if labels.shape[3] != 1:
        raise DataError(f"{path}: {labels.shape[3]} channels of labels; expected one id for each voxel.")
    labels = labels[..., 0]
    if labels.dtype.kind == "f":
        whole = np.nan_to_num(labels, nan=-0.5).astype(np.int64)
        if (whole != labels).any():
            raise DataError(
                f"{path}: {int((whole != labels).sum())} voxels hold fractions or NaN; expected whole ids. "
                "Was the mask resampled with interpolation? Resample it with nearest neighbour."
            )
        labels = whole
    return labels


def write_label_volume(path: Path, ids: NDArray[Any], space: Space) -> None:
    """Write ids (D, H, W) as NIfTI at a place in space.

    Raises:
        TerrazzoError: the file cannot be written.
        MissingExtraError: nibabel is not installed.
    """
    nibabel = _nibabel()
    image = nibabel.Nifti1Image(np.ascontiguousarray(ids.transpose(2, 1, 0)), space.affine)
    try:
        image.to_filename(path)
    except OSError as error:
        raise TerrazzoError(
            f"{path} cannot be written: {error.strerror or error}. Check that the folder exists and has room."
        ) from error


def _nibabel() -> Any:
    try:
        import nibabel
    except ImportError as error:
        raise MissingExtraError(
            'Volumes need nibabel, which is not installed: pip install "terrazzo[volumes]"'
        ) from error
    return nibabel


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a volume; whatever goes wrong inside the block ends in one `DataError` naming the file."""
    nibabel = _nibabel()
    import zlib

    try:
        yield nibabel.load(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file. Check the path.") from error
    except (nibabel.filebasedimages.ImageFileError, OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(
            f"{path}: not a complete NIfTI volume ({error}). Copy or convert it again, or remove it."
        ) from error


def _space(image: Any) -> Space:
    nibabel = _nibabel()
    turn = nibabel.orientations.io_orientation(image.affine)
    shape = tuple(int(side) for side in image.shape)
    if len(shape) < 3 or any(side != 1 for side in shape[3:-1]) or 0 in shape:
        raise ValueError(f"its shape is {shape}; expected three sides, and channels at the end")
    upright = image.affine @ nibabel.orientations.inv_ornt_aff(turn, shape[:3])
    sides = {int(to): shape[axis] for axis, (to, _) in enumerate(turn)}
    return Space((sides[2], sides[1], sides[0]), shape[-1] if len(shape) > 3 else 1, upright)


def _upright(values: NDArray[Any], image: Any) -> NDArray[Any]:
    """Return (D, H, W, C) in the order of the top of this file."""
    nibabel = _nibabel()
    channels = _space(image).channels
    values = values.reshape(*values.shape[:3], channels)
    turned = nibabel.orientations.apply_orientation(values, nibabel.orientations.io_orientation(image.affine))
    pixels: NDArray[Any] = np.ascontiguousarray(turned.transpose(2, 1, 0, 3))
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def _by(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, size))
