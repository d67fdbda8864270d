"""Files that cannot be read, or that are stored in a way that loses or hides what they hold."""

from dataclasses import replace

from terrazzo.inspect.kinds import Kind, Trouble, from_troubles
from terrazzo.inspect.report import Finding
from terrazzo.inspect.survey import Survey

KINDS = {
    "unreadable-file": Kind(
        "error",
        "Files that are not readable images",
        "Training stops at the first of them, hours in.",
        "Copy or download them again, or remove the pair.",
        "leaves the pair out",
    ),
    "truncated-file": Kind(
        "error",
        "Files that end too early",
        "Many readers fill the missing part with grey and say nothing; ours refuses.",
        "Copy or download them again, or remove the pair.",
        "leaves the pair out",
    ),
    "lossy-mask": Kind(
        "error",
        "Masks in a lossy format (JPEG or WebP)",
        "Compression invents labels along every border.",
        "Export the masks again as PNG; only colour masks can be restored, and only nearly.",
        "of colour masks, writes each pixel's closest declared colour, and void where that is unsure",
    ),
    "mask-exif": Kind(
        "error",
        "Masks with an EXIF rotation",
        "Some readers turn such a file and some do not, so image and mask may disagree.",
        "Save the masks again without metadata, in the orientation of their images.",
        "writes the mask without metadata, turned if only then it fits its image",
    ),
    "mask-alpha": Kind(
        "error",
        "Masks with transparent pixels",
        "Transparency means void to one tool and class 0 to the next.",
        "Export the masks without an alpha channel, void as its own value.",
        "drops the alpha channel, and makes transparent pixels void",
    ),
    "mask-not-labels": Kind(
        "error",
        "Masks that hold no labels",
        "Fractions, several pages or 16-bit colours are no ids.",
        "Export the masks as 8- or 16-bit ids, or as RGB colours.",
    ),
    "mask-grey-as-rgb": Kind(
        "error",
        "Masks of ids saved as three equal channels",
        "They are taken for colours, and no such colour is declared.",
        "Save the masks with one channel.",
        "keeps one channel",
    ),
    "image-not-finite": Kind(
        "error",
        "Images with NaN or infinite values",
        "One such pixel turns the loss, and then every weight of the network, into NaN.",
        "Fill the pixels with a number and mark them as void in the mask.",
        "fills them with 0 and marks them as void in the mask",
    ),
    "dataset-refused": Kind(
        "error",
        "The dataset cannot be opened",
        "Every verb stops here.",
        "Follow the sentence above.",
    ),
}


def faults(survey: Survey) -> list[Finding]:
    """Return a finding for each kind of fault met while reading."""
    troubles = [
        Trouble(fault.kind, (path,), _short(fault.detail, path, survey))
        for item, facts in zip(survey.source.items, survey.facts, strict=True)
        for fault in facts.faults
        for path in [item.image if fault.side == "image" else item.mask]
    ]
    findings = from_troubles(KINDS, [*survey.source.troubles, *troubles])
    return [replace(f, fixable=_restorable(survey)) if f.kind == "lossy-mask" else f for f in findings]


def _restorable(survey: Survey) -> bool:
    """Say whether all lossy masks hold colours: ids that were compressed are lost."""
    return all(
        facts.mask is not None and facts.mask.colors
        for facts in survey.facts
        if any(fault.kind == "lossy-mask" for fault in facts.faults)
    )


def _short(detail: str, path: str, survey: Survey) -> str:
    """Return the reason with a relative path, without the advice that follows it."""
    text = detail.replace(f"{survey.source.root.as_posix()}/", "").strip()
    if not text:
        return path
    first = text.split(". ")[0].rstrip(".")
    return first if path in first else f"{path}: {first}"


RULES = (faults,)
