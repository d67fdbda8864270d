"""Which files make a frame: an image, its scan and its calibration, by name."""

from dataclasses import dataclass
from pathlib import Path

from terrazzo.core.errors import DataError
from terrazzo.core.images import IMAGE_SUFFIXES


@dataclass(frozen=True)
class Frame:
    """The files of one frame."""

    name: str
    """Stem of the scan, and of the results."""

    image: Path
    velodyne: Path
    calibration: Path
    mask: Path | None = None
    """Where the classes are given instead of predicted."""


def find_frames(image: Path, velodyne: Path, calibration: Path, mask: Path | None = None) -> list[Frame]:
    """Return one frame of four files, or one for each scan of a folder.

    Args:
        image: a file, or where `velodyne` is a folder the folder of images of the same stems.
        velodyne: a .bin file, or a folder of them.
        calibration: a .txt file, which may serve many scans, or a folder.
        mask: like `image`.

    Raises:
        DataError: a path does not exist, a folder holds no scans, or is given for one scan with no file of
            its name. Files that a folder lacks are found out when their frame comes.
    """
    for path in (image, velodyne, calibration, *([mask] if mask else [])):
        if not path.exists():
            raise DataError(f"There is no file or folder {path}. Check the path.")
    scans = sorted(velodyne.glob("*.bin")) if velodyne.is_dir() else [velodyne]
    if not scans:
        raise DataError(f"{velodyne}: no scans; expected files that end in .bin.")
    for path in (image, *([mask] if mask else [])):
        if velodyne.is_dir() and not path.is_dir():
            raise DataError(f"{velodyne} is a folder of scans and {path} one file; give a folder of both.")
    return [
        Frame(
            scan.stem,
            _of_stem(image, scan.stem, IMAGE_SUFFIXES),
            scan,
            _of_stem(calibration, scan.stem, (".txt",)),
            None if mask is None else _of_stem(mask, scan.stem, IMAGE_SUFFIXES),
        )
        for scan in scans
    ]


def _of_stem(place: Path, stem: str, suffixes: tuple[str, ...]) -> Path:
    """Return the file itself, or that of a stem in a folder; the name it should have where there is none."""
    if not place.is_dir():
        return place
    found = [path for suffix in suffixes if (path := place / f"{stem}{suffix}").is_file()]
    return found[0] if found else place / f"{stem}{'.png' if len(suffixes) > 1 else suffixes[0]}"
