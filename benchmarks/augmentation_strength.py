"""How much each operation changes pictures, per strength; `--write` calibrates the strengths anew.

    python -m benchmarks.augmentation_strength            the table of docs/augmentation.md
    python -m benchmarks.augmentation_strength --write    measures src/terrazzo/transforms/strengths.json

Measured on the built-in scenes (training split, 160 x 224), see `terrazzo.transforms.strengths`.
"""

import argparse
import json
from pathlib import Path

from terrazzo.datasets import build_dataset
from terrazzo.transforms import OPERATIONS
from terrazzo.transforms.measure import Pair, calibrated, change_at
from terrazzo.transforms.strengths import full_change

FILE = Path("src/terrazzo/transforms/strengths.json")
SCENES, DRAWS = 24, 6
SHOWN = (0.1, 0.25, 0.5, 0.75, 1.0)


def main() -> None:
    """Measure or print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--write", action="store_true", help="calibrate and write the file")
    parser.add_argument("--only", nargs="*", default=sorted(OPERATIONS), help="names of operations")
    chosen = parser.parse_args()
    if chosen.write:
        write(chosen.only)
    else:
        print_table(chosen.only)


def write(kinds: list[str]) -> None:
    """Calibrate operations and keep the others as they are."""
    pairs = scenes("train")
    old = json.loads(FILE.read_text(encoding="utf-8"))["operations"] if FILE.exists() else {}
    for kind in kinds:
        change, amounts = calibrated(kind, pairs, draws=DRAWS)
        old[kind] = {"change": round(change, 5), "amounts": amounts}
        print(f"{kind:18} {100 * change:5.1f} %  {amounts}", flush=True)
    facts = {
        "about": f"mean image change at strength 1, and amounts at strengths 0, 0.1, ... 1; {SCENES} scenes, "
        f"{DRAWS} draws each",
        "operations": {kind: old[kind] for kind in sorted(old)},
    }
    text = json.dumps(facts, indent=1)
    FILE.write_text(_lists_in_one_line(text) + "\n", encoding="utf-8")


def print_table(kinds: list[str]) -> None:
    """Print what is measured at some strengths on other scenes, beside what is declared."""
    pairs = scenes("val")
    print("| operation | declared at 1 |" + "".join(f" {s:g} |" for s in SHOWN))
    print("|---|---:|" + "---:|" * len(SHOWN))
    for kind in kinds:
        row = [100 * change_at(kind, strength, pairs, draws=3) for strength in SHOWN]
        cells = "".join(f" {value:.1f} |" for value in row)
        print(f"| `{kind}` | {100 * full_change(kind):.1f} |{cells}", flush=True)


def scenes(split: str) -> list[Pair]:
    """Return scenes to measure on."""
    data = build_dataset("scenes", split=split, count=SCENES)
    return [(sample["image"], sample["mask"]) for sample in data]


def _lists_in_one_line(text: str) -> str:
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        if inside:
            lines[-1] += line.strip() if line.strip().startswith("]") else line.strip() + " "
        else:
            lines.append(line)
        inside = (inside or line.rstrip().endswith("[")) and not line.strip().startswith("]")
    return "\n".join(line.replace(" ]", "]") for line in lines)


if __name__ == "__main__":
    main()
