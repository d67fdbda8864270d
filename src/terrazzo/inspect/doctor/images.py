"""Images that show nothing."""

from terrazzo.inspect.kinds import Kind, finding, number
from terrazzo.inspect.report import Finding
from terrazzo.inspect.survey import Survey

KINDS = {
    "blank-image": Kind(
        "warning",
        "Images of one colour",
        "A blank image teaches a network to guess labels from nothing.",
        "Look for the originals, or remove the pairs.",
    ),
    "dark-16-bit": Kind(
        "warning",
        "16-bit images that use little of their range",
        "Ten or twelve bits in a 16-bit file look black to most tools, and fixed scalings go wrong.",
        "Keep the files and the statistics measured here; do not divide by 65535.",
    ),
}

BLANK_STD = 0.6
"""Standard deviation, of 8-bit values, below which an image counts as blank."""

DARK_SHARE = 0.1
"""Share of 65535 that the brightest pixel of most images stays below: 12 bits reach 0.06."""


def blank(survey: Survey) -> list[Finding]:
    """Find images without any structure."""
    files = [
        item.image
        for item, facts in zip(survey.source.items, survey.facts, strict=True)
        if facts.image is not None and is_blank(facts.image.std, facts.image.dtype)
    ]
    found = f"{number(len(files), 'image')} of a single colour."
    return [finding(KINDS, "blank-image", files, found)] if files else []


def is_blank(std: float, dtype: str) -> bool:
    """Say whether an image of this standard deviation, in its own units, shows nothing."""
    return std < {"uint8": BLANK_STD, "uint16": 257 * BLANK_STD}.get(dtype, 1e-9)


def dark(survey: Survey) -> list[Finding]:
    """Find data sets whose 16-bit images are mostly black."""
    deep = [
        (item.image, facts.image.high / 65535)
        for item, facts in zip(survey.source.items, survey.facts, strict=True)
        if facts.image is not None and facts.image.dtype == "uint16"
    ]
    files = [file for file, share in deep if share < DARK_SHARE]
    if not files or len(files) * 2 < len(deep):
        return []
    brightest = max(share for _, share in deep if share < DARK_SHARE)
    found = f"{number(len(files), '16-bit image')} never above {brightest:.1%} of the range."
    return [finding(KINDS, "dark-16-bit", files, found)]


RULES = (blank, dark)
