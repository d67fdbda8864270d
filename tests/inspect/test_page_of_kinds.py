"""The docs page lists the kinds of findings as the program declares them."""

from docs.findings import PAGE, TITLES, filled

from terrazzo.inspect.doctor import FAMILIES, KINDS
from terrazzo.inspect.report import SEVERITIES


def test_docs__the_table_is_the_program_s() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert filled(page) == page, "run python docs/findings.py"
    assert TITLES.keys() == FAMILIES.keys()
    assert all(f"| `{name}`<br>{kind.severity} |" in page for name, kind in KINDS.items())


def test_kinds__are_whole_sentences() -> None:
    for name, kind in KINDS.items():
        assert kind.severity in SEVERITIES, name
        for sentence in (kind.why, kind.advice):
            assert not sentence[0].islower(), name
            assert sentence.endswith("."), name
        assert not kind.what.endswith("."), name
        assert "|" not in kind.what + kind.why + kind.advice + kind.repair, name
        assert not kind.repair[:1].isupper(), name
