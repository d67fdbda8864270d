"""The table of docs/kernels.md, from the rows of benchmarks/kernels.py."""

from collections.abc import Sequence
from typing import Any

HEAD = (
    "| | K, stride, size, batch | ours | eager | best eager idiom | compiled | our extra memory |",
    "|---|---|---:|---:|---:|---:|---:|",
)


def page_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return one line per case on a network's logits: our time, and how many times it the others take."""
    return "\n".join([*HEAD, *(_line(row) for row in rows if row["logits"] != "noise")])


def _line(row: dict[str, Any]) -> str:
    subjects = row["subjects"]
    others = {name: facts["times_ours"] for name, facts in subjects.items() if name != "ours"}
    fused = others.pop("compiled", None)
    usual = others.get("eager", others.get("torchmetrics", 0.0))
    case = f"{row['classes']}, {row['stride']}, {row['height']} x {row['width']}, {row['batch']}"
    ours = subjects["ours"]
    cells = (
        row["kernel"],
        case,
        f"{ours['ms']:.1f} ms",
        f"{usual:.1f} x",
        f"{min(others.values()):.1f} x",
        "-" if fused is None else f"{fused:.1f} x",
        f"{100 * ours['extra_of_full_logits']:.1f} %",
    )
    return "| " + " | ".join(cells) + " |"
