"""The tables of docs/choices.md, written between markers; the words around them stay."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from benchmarks.choices_list import BASE, CHOICES, Table
from benchmarks.pages import fill

Row = dict[str, Any]


def write_page(page: Path, rows: Sequence[Row]) -> None:
    """Put a table of the rows between the markers of every table.

    Raises:
        ValueError: the page lacks a marker.
    """
    for table in get_args(Table):
        fill(page, f"choices:{table}", table_of(table, rows))


def table_of(table: str, rows: Sequence[Row]) -> str:
    """Return the rows of one table as Markdown, the best first, the recipe's own among them in bold."""
    base = next((row for row in rows if row["name"] == BASE), None)
    shown = [row for row in rows if row["table"] == table and row["name"] in CHOICES and row is not base]
    shown = sorted([*shown, *([base] if base else [])], key=lambda row: -row["miou"])
    lines = [
        "| | mIoU (95% interval) | against the recipe | settings | from |",
        "|---|---|---:|---|---|",
        *(_line(row, base) for row in shown),
    ]
    return "\n".join(lines)


def _line(row: Row, base: Row | None) -> str:
    low, high = row["miou_interval"]
    score = f"{100 * row['miou']:.1f}% ({_percent(low)} to {_percent(high)})"
    if row is base:
        return f"| **{row['name']}** | {score} | | | |"
    gain = f"{100 * (row['miou'] - base['miou']):+.1f}" if base else ""
    settings = " ".join(f"`{item}`" for item in row["overrides"])
    return f"| {row['name']} | {score} | {gain} | {settings} | {row['source']} |"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}%"
