"""How well `terrazzo inspect --model` finds label errors: planted ones in CamVid's validation split.

    python -m benchmarks.label_errors MODEL ../shared/data/camvid

MODEL is a model folder that was not trained on the split, for instance of `recipes/camvid/cpu.yaml`. In
every draw a twentieth of the images gets each kind of error, all kinds at once, so that the errors disturb
what is usual for the dataset, too; the ranking's AUROC tells the planted images of a kind from the untouched
ones. The labels as published count as right, which they are not everywhere.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks import machine
from terrazzo.datasets import SegmentationDataset, open_dataset
from terrazzo.inspect.evidence import Evidence, gather_evidence
from terrazzo.inspect.suspects import rank
from terrazzo.predict import load

Mask = NDArray[Any]
Random = np.random.Generator

SHARE = 0.05
"""Of the images, for each kind of error."""

LARGE = 0.005
"""Classes that are swapped fill this share of the image, at least."""

OBJECTS = ("SignSymbol", "Car", "Pedestrian", "Bicyclist")
SMALLEST_OBJECT = 200
"""Pixels of the smallest object that is erased (0.12 % of a frame)."""

SHIFT = 8
"""Pixels."""


def swap(mask: Mask, random: Random, void: int) -> Mask:
    """Give the pixels of one class the other's label, and the other way round."""
    ids, counts = np.unique(mask[mask != void], return_counts=True)
    first, second = random.choice(ids[counts >= LARGE * mask.size], 2, replace=False)
    swapped = mask.copy()
    swapped[mask == first], swapped[mask == second] = second, first
    return swapped


def erase(mask: Mask, random: Random, void: int, kinds: list[int]) -> Mask | None:
    """Fill one object with the labels around it; None where there is no object large enough."""
    found = []
    for k in kinds:
        regions, count = ndimage.label(mask == k)
        sizes = np.bincount(regions.ravel(), minlength=count + 1)
        found += [regions == r for r in range(1, count + 1) if sizes[r] >= SMALLEST_OBJECT]
    if not found:
        return None
    object_HW = found[int(random.integers(len(found)))]
    rows, columns = ndimage.distance_transform_edt(
        object_HW | (mask == void), return_distances=False, return_indices=True
    )
    erased = mask.copy()
    erased[object_HW] = mask[rows[object_HW], columns[object_HW]]
    return erased


def shift(mask: Mask, random: Random) -> Mask:
    """Move a mask in a random direction; its edge is repeated."""
    angle = random.uniform(0, 2 * np.pi)
    height, width = mask.shape
    rows = np.clip(np.arange(height) - round(SHIFT * np.sin(angle)), 0, height - 1)
    columns = np.clip(np.arange(width) - round(SHIFT * np.cos(angle)), 0, width - 1)
    shifted: Mask = mask[rows[:, None], columns]
    return shifted


def errors(dataset: SegmentationDataset) -> dict[str, Callable[[int, Random], Mask | None]]:
    """Return kind of error -> the mask of an image with such an error."""
    masks = [sample["mask"] for sample in dataset]
    void = dataset.labels.ignore_index
    kinds = [k for k, name in enumerate(dataset.labels.names) if name in OBJECTS]

    def paste(index: int, random: Random) -> Mask:
        other = int(random.integers(len(masks) - 1))
        return masks[other + (other >= index)]

    return {
        "swapped": lambda i, random: swap(masks[i], random, void),
        "erased": lambda i, random: erase(masks[i], random, void, kinds),
        "shifted": lambda i, random: shift(masks[i], random),
        "pasted": paste,
    }


def measured(
    dataset: SegmentationDataset, predict: Callable[[Mask], Mask], draws: int
) -> tuple[list[Evidence], list[dict[tuple[str, int], Evidence]]]:
    """Predict each image once; measure it with its own label, and with the errors that each draw plants."""
    kinds = errors(dataset)
    clean: list[Evidence] = []
    planted: list[dict[tuple[str, int], Evidence]] = [{} for _ in range(draws)]
    places = [assigned(len(dataset), list(kinds), draw) for draw in range(draws)]
    for index, sample in enumerate(dataset):
        probabilities = predict(sample["image"])
        clean.append(wanted(gather_evidence(probabilities, sample["mask"])))
        for draw, place in enumerate(places):
            if kind := place.get(index):
                wrong = kinds[kind](index, np.random.default_rng((draw, index)))
                if wrong is not None:
                    planted[draw][kind, index] = wanted(gather_evidence(probabilities, wrong))
    return clean, planted


def assigned(images: int, kinds: list[str], draw: int) -> dict[int, str]:
    """Choose the images that get an error, and which."""
    order = np.random.default_rng((draw, 1)).permutation(images).tolist()
    each = max(1, round(SHARE * images))
    return {i: kind for n, kind in enumerate(kinds) for i in order[n * each : (n + 1) * each]}


def wanted(evidence: Evidence | None) -> Evidence:
    """Refuse a mask that is void throughout."""
    if evidence is None:
        raise SystemExit("A mask is void throughout; there is nothing to rank.")
    return evidence


def auroc(planted: list[float], untouched: list[float]) -> float:
    """Return the chance that a planted image ranks above an untouched one; ties count half."""
    above = np.subtract.outer(planted, untouched)
    return float((above > 0).mean() + (above == 0).mean() / 2)


def scored(
    dataset: SegmentationDataset, clean: list[Evidence], planted: list[dict[tuple[str, int], Evidence]]
) -> Iterator[dict[str, float]]:
    """Rank the images of every draw and yield the AUROC of each kind."""
    names = [str(i) for i in range(len(clean))]
    for errors_of in planted:
        evidence, kind_of = list(clean), dict.fromkeys(names, "")
        for (kind, index), wrong in errors_of.items():
            evidence[index], kind_of[str(index)] = wrong, kind
        scores: dict[str, list[float]] = {}
        for suspect in rank(names, evidence, dataset.labels):
            scores.setdefault(kind_of[suspect.file], []).append(suspect.score)
        yield {kind: auroc(found, scores[""]) for kind, found in scores.items() if kind}


def main() -> None:
    """Plant, rank, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("root", type=Path, nargs="?", default=Path("../shared/data/camvid"))
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/label_errors.json"))
    options = parser.parse_args()
    dataset = open_dataset(f"camvid:{options.root}", split="val")
    predictor = load(options.model, device="cpu")
    clean, planted = measured(dataset, predictor.probabilities, options.draws)
    draws = list(scored(dataset, clean, planted))
    facts: dict[str, Any] = {
        "machine": machine.facts(),
        "model": predictor.card.facts(),
        "data": f"camvid val, {len(dataset)} images",
        "draws": options.draws,
        "planted_per_kind_and_draw": max(1, round(SHARE * len(dataset))),
        "auroc": {},
    }
    for kind in ("swapped", "pasted", "shifted", "erased"):
        values = [draw[kind] for draw in draws if kind in draw]
        facts["auroc"][kind] = {
            "mean": round(float(np.mean(values)), 4),
            "lowest_draw": round(min(values), 4),
            "std_over_draws": round(float(np.std(values)), 4),
        }
        print(f"{kind}: AUROC {np.mean(values):.3f} (lowest draw {min(values):.3f})")
    options.json.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
