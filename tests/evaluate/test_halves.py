import pytest

from terrazzo.core import RequestError
from terrazzo.evaluate.halves import divide


def test_divide__keeps_groups_whole_and_the_halves_even() -> None:
    groups = ["a"] * 6 + ["b"] * 3 + ["c"] * 2 + ["d"] * 1
    halves = divide(groups)
    assert {groups[i] for i in halves.fitted} == {"a"}
    assert {groups[i] for i in halves.judged} == {"b", "c", "d"}
    assert halves.by == "whole groups (4)"
    assert halves.note == ""


def test_divide__without_groups_interleaves_runs() -> None:
    halves = divide([None] * 40)
    assert halves.fitted[:8] == (0, 1, 2, 3, 8, 9, 10, 11)
    assert sorted(halves.fitted + halves.judged) == list(range(40))
    assert halves.by == "interleaved runs of consecutive images (of 4)"


@pytest.mark.parametrize("groups", [["a"] * 20, ["a"] * 19 + ["b"]])
def test_divide__one_group_cannot_be_kept_whole_and_it_says_so(groups: list[str | None]) -> None:
    halves = divide(groups)
    assert halves.by.startswith("interleaved runs")
    assert "both halves show the same scene" in halves.note


def test_divide__an_image_of_unknown_group_stands_for_itself() -> None:
    halves = divide(["a", "a", None, None])
    assert {halves.fitted, halves.judged} == {(0, 1), (2, 3)}


@pytest.mark.parametrize("count", range(2, 25))
def test_divide__both_halves_have_images(count: int) -> None:
    halves = divide([None] * count)
    assert abs(len(halves.fitted) - len(halves.judged)) <= -(-count // 10)
    assert len(halves.judged) >= 1


def test_divide__refuses_a_single_image() -> None:
    with pytest.raises(RequestError, match=r"The data has 1 image; .*at least two are needed"):
        divide([None])
