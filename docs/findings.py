"""Fill in the table of docs/inspect.md from the kinds that the doctor declares.

python docs/findings.py
"""

from pathlib import Path

from terrazzo.inspect.doctor import FAMILIES

PAGE = Path(__file__).parent / "inspect.md"
MARK = "<!-- table: python docs/findings.py -->"
TITLES = {
    "names": "Names and pairs",
    "classes.json": "classes.json",
    "files": "Files",
    "sizes": "Sizes and channels",
    "masks": "Values of masks",
    "classes": "Classes over all images",
    "images": "Images",
    "duplicates": "Duplicates",
    "splits": "Splits and scenes",
}


def table() -> str:
    """Return every kind of finding as Markdown, family by family."""
    parts = []
    for family, kinds in FAMILIES.items():
        rows = [
            f"### {TITLES[family]}",
            "",
            "| kind | what and why | what to do | `--fix` |",
            "|---|---|---|---|",
        ]
        rows += [
            f"| `{name}`<br>{kind.severity} | {kind.what}. {kind.why} "
            f"| {kind.advice} | {kind.repair or '–'} |"
            for name, kind in kinds.items()
        ]
        parts.append("\n".join(rows))
    return "\n\n".join(parts) + "\n"


def filled(page: str) -> str:
    """Return the page with the table after its mark."""
    return page.partition(MARK)[0] + f"{MARK}\n\n{table()}"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
