"""Sizes and channels: image and mask that do not fit each other, and images that do not fit one network."""

from terrazzo.inspect.facts import PairFacts
from terrazzo.inspect.kinds import Kind, finding, number, some
from terrazzo.inspect.report import Finding
from terrazzo.inspect.survey import Survey

KINDS = {
    "size-mismatch": Kind(
        "error",
        "Image and mask of different size",
        "There is no telling which label belongs to which pixel.",
        "Export the masks again at the size of their images.",
    ),
    "transposed-pair": Kind(
        "error",
        "A mask with height and width exchanged",
        "The mask was turned or transposed, and labels nothing that is in the image.",
        "Turn the masks back.",
        "turns the mask the way in which its labels fit the colours of the image best",
    ),
    "exif-rotated": Kind(
        "error",
        "A mask drawn on the image as stored, not as its EXIF rotation shows it",
        "Images are read upright, so the mask lies across its image.",
        "Turn the masks as the cameras turned the images.",
        "turns the mask as the image's EXIF orientation says",
    ),
    "exif-turned": Kind(
        "warning",
        "An EXIF rotation that leaves the size as it is",
        "The sizes agree either way, so only a look can tell whether the mask fits the upright image.",
        "Look at these pairs, and save the images upright without metadata.",
    ),
    "very-different-sizes": Kind(
        "warning",
        "Images of very different sizes",
        "One crop size sees whole scenes in some and a few bricks in others, and batches are mostly padding.",
        "Resize to similar scales, or train with a wide scale jitter.",
    ),
    "mixed-channels": Kind(
        "error",
        "Images of different numbers of channels",
        "A network takes one number of channels, and loading stops at the first image that differs.",
        "Convert the images to one kind.",
        "repeats the grey channel where all others are RGB",
    ),
}

AREA_RATIO = 16.0
"""Largest over smallest image, in pixels, from which sizes count as very different."""


def _relation(facts: PairFacts) -> str:
    """Say how the sizes of a pair disagree; empty where they do not."""
    image, mask = facts.image, facts.mask
    if image is None or mask is None or any(fault.kind == "mask-exif" for fault in facts.faults):
        return ""
    upright, drawn = (image.height, image.width), (mask.height, mask.width)
    if upright == drawn:
        return "exif-turned" if image.orientation != 1 else ""
    if upright != drawn[::-1]:
        return "size-mismatch"
    return "exif-rotated" if image.orientation >= 5 else "transposed-pair"


def pair_sizes(survey: Survey) -> list[Finding]:
    """Find pairs whose sizes disagree, by the way in which they do."""
    cases: dict[str, list[tuple[str, str]]] = {}
    for item, facts in zip(survey.source.items, survey.facts, strict=True):
        kind = _relation(facts)
        if kind and facts.image and facts.mask:
            image, mask = facts.image, facts.mask
            sizes = f"{item.id}: image {image.height} x {image.width}, mask {mask.height} x {mask.width}"
            turned = f", EXIF orientation {image.orientation}" if image.orientation != 1 else ""
            cases.setdefault(kind, []).append((item.mask, sizes + turned))
    return [
        finding(KINDS, kind, [file for file, _ in found], f"{KINDS[kind].what}: {some(t for _, t in found)}.")
        for kind, found in cases.items()
    ]


def different_sizes(survey: Survey) -> list[Finding]:
    """Find images whose areas differ by more than a factor."""
    areas = {
        item.image: facts.image.height * facts.image.width
        for item, facts in zip(survey.source.items, survey.facts, strict=True)
        if facts.image is not None
    }
    if not areas or max(areas.values()) < AREA_RATIO * min(areas.values()):
        return []
    small, large = min(areas, key=areas.__getitem__), max(areas, key=areas.__getitem__)
    found = f"The largest image has {areas[large] / areas[small]:.0f} times the pixels of the smallest."
    return [finding(KINDS, "very-different-sizes", (small, large), found)]


def channels(survey: Survey) -> list[Finding]:
    """Find images whose number of channels is not that of most."""
    by_count: dict[int, list[str]] = {}
    for item, facts in zip(survey.source.items, survey.facts, strict=True):
        if facts.image is not None:
            by_count.setdefault(facts.image.channels, []).append(item.image)
    if len(by_count) < 2:
        return []
    usual = max(by_count, key=lambda count: len(by_count[count]))
    odd = [file for count, files in by_count.items() if count != usual for file in files]
    text = ", ".join(f"{number(len(files), 'image')} of {count}" for count, files in sorted(by_count.items()))
    fixable = usual == 3 and set(by_count) == {1, 3}
    return [finding(KINDS, "mixed-channels", odd, f"Numbers of channels differ: {text}.", fixable=fixable)]


RULES = (pair_sizes, different_sizes, channels)
