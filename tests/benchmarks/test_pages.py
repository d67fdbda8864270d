"""Tables between the markers of a page."""

from pathlib import Path

import pytest

from benchmarks.kernels_page import page_table
from benchmarks.pages import fill


def test_fill__replaces_what_is_between_the_markers_only(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    text = "a\n<!-- one:begin -->\nold\n<!-- one:end -->\nb\n<!-- two:begin -->\nold\n<!-- two:end -->\n"
    page.write_text(text)
    for _ in range(2):
        fill(page, "one", r"| new \1 |")
        assert page.read_text() == text.replace("old", r"| new \1 |", 1)


def test_fill__names_the_markers_a_page_lacks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match=r"page\.md has no <!-- one:begin --> followed by <!-- one:end -->"):
        fill(page, "one", "")


def test_kernels_page__shows_times_of_ours_and_leaves_noise_out() -> None:
    facts = {"ms": 2.0, "times_ours": 1.0, "extra_mib": 1.0, "extra_of_full_logits": 0.012}
    subjects = {
        "ours": facts,
        "eager": facts | {"times_ours": 20.0},
        "eager_max": facts | {"times_ours": 8.0},
        "compiled": facts | {"times_ours": 5.0},
    }
    case = {"kernel": "argmax", "classes": 19, "stride": 8, "height": 512, "width": 1024, "batch": 2}
    rows = [case | {"logits": logits, "subjects": subjects} for logits in ("network", "noise")]
    assert page_table(rows).splitlines()[2:] == [
        "| argmax | 19, 8, 512 x 1024, 2 | 2.0 ms | 20.0 x | 8.0 x | 5.0 x | 1.2 % |"
    ]
