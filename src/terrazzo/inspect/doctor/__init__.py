"""The doctor: every kind of finding, and the rules that look for them, one file per family.

A rule is a function of a survey that returns findings. A new kind is a line in the `KINDS` of its family and
a rule in its `RULES`; the docs page and the tests take both from here.
"""

from collections.abc import Callable
from dataclasses import replace

from terrazzo.inspect.doctor import (
    against,
    classes,
    duplicates,
    files,
    images,
    labels,
    masks,
    names,
    sizes,
    splits,
)
from terrazzo.inspect.kinds import Kind, from_troubles
from terrazzo.inspect.report import SEVERITIES, Finding
from terrazzo.inspect.survey import Survey

FAMILIES: dict[str, dict[str, Kind]] = {
    "names": names.KINDS,
    "classes.json": classes.KINDS,
    "files": files.KINDS,
    "sizes": sizes.KINDS,
    "masks": masks.KINDS,
    "classes": labels.KINDS | against.KINDS,
    "images": images.KINDS,
    "duplicates": duplicates.KINDS,
    "splits": splits.KINDS,
}
"""Family -> its kinds, as on the docs page."""

KINDS: dict[str, Kind] = {name: kind for kinds in FAMILIES.values() for name, kind in kinds.items()}

Rule = Callable[[Survey], list[Finding]]

RULES: tuple[Rule, ...] = (
    *files.RULES,
    *sizes.RULES,
    *masks.RULES,
    *labels.RULES,
    *images.RULES,
    *duplicates.RULES,
    *splits.RULES,
)

_EXPLAINED_BY = {
    "class-never-present": masks.KINDS.keys() | classes.KINDS.keys() | {"lossy-mask"},
    "class-missing-from-split": masks.KINDS.keys() | classes.KINDS.keys() | {"lossy-mask"},
    "ids-swapped": {"ids-off-by-one", "palette-indices", "palette-as-grey"},
    "one-scene-split": {"tiny-split"},
}
"""Kinds that follow from another one: repair that first, and look again."""


def examine(survey: Survey) -> list[Finding]:
    """Return all findings, the gravest first; what another finding explains is left out."""
    findings = [
        replace(found, fixable=found.fixable and not _needs_a_person(found.kind, survey))
        for found in from_troubles(names.KINDS | classes.KINDS, survey.source.troubles)
    ]
    for rule in RULES:
        findings += rule(survey)
    errors = {f.kind for f in findings if f.severity == "error"}
    kept = [f for f in findings if not _EXPLAINED_BY.get(f.kind, set()) & errors]
    return sorted(kept, key=lambda f: SEVERITIES.index(f.severity))


def _needs_a_person(kind: str, survey: Survey) -> bool:
    """Say whether a mistake in classes.json makes masks ambiguous: two classes, one colour, colour masks."""
    colors = any(facts.mask is not None and facts.mask.colors for facts in survey.facts)
    return kind == "class-colour-twice" and colors
