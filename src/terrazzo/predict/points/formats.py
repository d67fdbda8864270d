"""Labelled scans as files: PLY, PCD and CSV, one row per point in the scan's order.

    PLY   binary, little-endian (Turk 1994): x y z reflectance, red green blue, label confidence cluster
    PCD   version 0.7, binary (Point Cloud Library): x y z rgb reflectance label confidence cluster
    CSV   the same without colour, with the class's name

`label` is the train id, -1 for none; `cluster` likewise. Names of the classes are in the comments of PLY and
PCD. Colour in PCD is packed as PCL has it: 0x00RRGGBB in the bits of a float32.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from terrazzo.predict.points.cloud import Cloud

Structured = NDArray[np.void]

_PLY_TYPES = {"f4": "float", "u1": "uchar", "i4": "int"}
_PCD_TYPES = {"f": "F", "u": "U", "i": "I"}


def write_ply(path: Path, cloud: Cloud) -> None:
    """Write a binary PLY."""
    colors = {name: cloud.colors[:, i] for i, name in enumerate(("red", "green", "blue"))}
    rows = _rows({**_place(cloud), **colors, **_meaning(cloud)})
    lines = [
        "ply",
        "format binary_little_endian 1.0",
        *(f"comment label {line}" for line in _legend(cloud)),
        f"element vertex {len(rows)}",
        *(f"property {_PLY_TYPES[kind.str[1:]]} {name}" for name, kind in _fields(rows)),
        "end_header",
    ]
    path.write_bytes(_header(lines) + rows.tobytes())


def write_pcd(path: Path, cloud: Cloud) -> None:
    """Write a binary PCD."""
    red, green, blue = cloud.colors.astype(np.uint32).T
    packed = ((red << 16) | (green << 8) | blue).astype("<u4").view("<f4")
    place = _place(cloud)
    reflectance = place.pop("reflectance")
    rows = _rows({**place, "rgb": packed, "reflectance": reflectance, **_meaning(cloud)})
    fields = _fields(rows)
    lines = [
        "# .PCD v0.7 - Point Cloud Data file format",
        *(f"# label {line}" for line in _legend(cloud)),
        "VERSION 0.7",
        f"FIELDS {' '.join(name for name, _ in fields)}",
        f"SIZE {' '.join(str(kind.itemsize) for _, kind in fields)}",
        f"TYPE {' '.join(_PCD_TYPES[kind.kind] for _, kind in fields)}",
        f"COUNT {' '.join('1' for _ in fields)}",
        f"WIDTH {len(rows)}",
        "HEIGHT 1",
        "VIEWPOINT 0 0 0 1 0 0 0",
        f"POINTS {len(rows)}",
        "DATA binary",
    ]
    path.write_bytes(_header(lines) + rows.tobytes())


def write_csv(path: Path, cloud: Cloud) -> None:
    """Write a CSV; row and column are the point's pixel, empty where it is in none."""
    names = [*(_csv_text(name) for name in cloud.label_map.names), ""]  # the last for none: index -1
    seen = cloud.projection
    pixels = [
        (str(row), str(column)) if inside else ("", "")
        for inside, row, column in zip(
            seen.inside.tolist(), seen.row.tolist(), seen.column.tolist(), strict=True
        )
    ]
    columns = zip(
        cloud.points.astype(str).tolist(),  # as short as float32 allows: 3.02, not 3.0199999809265137
        pixels,
        cloud.labels.tolist(),
        cloud.confidence.astype(str).tolist(),
        cloud.clusters.tolist(),
        strict=True,
    )
    lines = ["x,y,z,reflectance,row,column,label,name,confidence,cluster\n"]
    lines += [
        f"{','.join(point)},{row},{column},{label},{names[label]},{share},{number}\n"
        for point, (row, column), label, share, number in columns
    ]
    path.write_text("".join(lines), encoding="utf-8")


WRITERS: dict[str, Callable[[Path, Cloud], None]] = {"csv": write_csv, "pcd": write_pcd, "ply": write_ply}
"""Ending -> what writes such a file."""


def _place(cloud: Cloud) -> dict[str, NDArray[np.float32]]:
    return {name: cloud.points[:, i] for i, name in enumerate(("x", "y", "z", "reflectance"))}


def _meaning(cloud: Cloud) -> dict[str, NDArray[np.int32] | NDArray[np.float32]]:
    return {"label": cloud.labels, "confidence": cloud.confidence, "cluster": cloud.clusters}


def _rows(columns: dict[str, NDArray[np.generic]]) -> Structured:
    """Put columns side by side, packed and little-endian."""
    kinds = [(name, column.dtype.newbyteorder("<")) for name, column in columns.items()]
    rows = np.empty(len(next(iter(columns.values()))), dtype=kinds)
    for name, column in columns.items():
        rows[name] = column
    return rows


def _fields(rows: Structured) -> list[tuple[str, np.dtype[np.generic]]]:
    assert rows.dtype.fields
    return [(name, rows.dtype.fields[name][0]) for name in rows.dtype.names or ()]


def _legend(cloud: Cloud) -> list[str]:
    """Return `0 road`, ...; line breaks in a name would end the header's line."""
    return [f"{k} {' '.join(name.split())}" for k, name in enumerate(cloud.label_map.names)]


def _header(lines: list[str]) -> bytes:
    """Return a header; what is not ASCII, which no reader expects there, becomes a question mark."""
    return ("\n".join(lines) + "\n").encode("ascii", errors="replace")


def _csv_text(text: str) -> str:
    """Quote a name that would break its row."""
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if any(mark in text for mark in ',"\n\r') else text
