"""What a kind of finding is, and how one is put into words.

Every kind is declared beside the rules that find it (see `doctor`); the docs page is made from the same
declarations, so the two cannot differ.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from terrazzo.inspect.report import Finding, Severity

MOST_NAMED = 3


@dataclass(frozen=True)
class Kind:
    """One kind of finding."""

    severity: Severity
    what: str
    """What is found, as a title."""

    why: str
    """One sentence on why it matters."""

    advice: str
    """One sentence on what to do."""

    repair: str = ""
    """What `--fix` does about it; empty where only a person can decide."""


@dataclass(frozen=True)
class Trouble:
    """One case of a kind, noted while reading; cases of one kind become one finding."""

    kind: str
    files: tuple[str, ...]
    detail: str


def finding(
    kinds: Mapping[str, Kind],
    name: str,
    files: Iterable[str],
    found: str,
    *,
    severity: Severity | None = None,
    fixable: bool | None = None,
) -> Finding:
    """Build a finding.

    Args:
        kinds: where the kind is declared.
        name: the kind.
        files: relative paths.
        found: one sentence with the numbers of this case.
        severity: instead of the kind's own.
        fixable: instead of "the kind has a repair".
    """
    kind = kinds[name]
    return Finding(
        kind=name,
        severity=severity or kind.severity,
        files=tuple(files),
        message=f"{found} {kind.why}",
        advice=kind.advice,
        fixable=bool(kind.repair) if fixable is None else fixable and bool(kind.repair),
    )


def from_troubles(kinds: Mapping[str, Kind], troubles: Iterable[Trouble]) -> list[Finding]:
    """Turn the troubles whose kind is declared here into one finding a kind."""
    by_kind: dict[str, list[Trouble]] = {}
    for trouble in troubles:
        if trouble.kind in kinds:
            by_kind.setdefault(trouble.kind, []).append(trouble)
    findings = []
    for name, cases in by_kind.items():
        files = tuple(dict.fromkeys(file for case in cases for file in case.files))
        findings.append(finding(kinds, name, files, f"{kinds[name].what}: {some(c.detail for c in cases)}."))
    return findings


def some(details: Iterable[str]) -> str:
    """Name the first few and count the rest."""
    texts = list(dict.fromkeys(details))
    more = len(texts) - MOST_NAMED
    return "; ".join(texts[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def number(count: int, thing: str) -> str:
    """Write `1 mask`, `2 masks`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
