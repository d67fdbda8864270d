"""What the meters found, written for people: a section for every meter, with the numbers of the JSON."""

import numpy as np
import pytest

from terrazzo.evaluate import Evaluation, evaluate, evaluate_with, tta_gain
from terrazzo.evaluate.details import KINDS, Section, sections
from terrazzo.metrics import METERS, build_meters, fitting_meters
from terrazzo.models import build_model
from tests.evaluate.made import Made


@pytest.fixture(scope="module")
def scored() -> Evaluation:
    data = Made(4)
    meters = build_meters(fitting_meters(data.labels), data.labels)
    network = build_model("unet", num_classes=data.labels.num_classes, num_blocks=1).eval()
    return evaluate(network, data, meters=meters)


def section(scored: Evaluation, name: str) -> Section:
    return next(part for part in sections(scored.details) if part.name == name)


def test_every_meter__has_a_title_of_its_own() -> None:
    assert set(METERS) <= set(KINDS)


def test_sections__are_in_the_order_of_the_details_and_say_something(scored: Evaluation) -> None:
    parts = sections(scored.details)
    assert [part.name for part in parts] == list(scored.details)
    assert all(part.words for part in parts)


def test_facts__are_the_numbers_of_the_json(scored: Evaluation) -> None:
    found = scored.details["surface"]
    facts = dict(section(scored, "surface").facts)
    assert facts["boundary F1"] == f"{100 * found['boundary_f1']:.1f} %"
    assert facts["average distance"] == f"{found['average_distance']:.1f} px"


def test_per_class_tables__have_a_row_for_every_class(scored: Evaluation) -> None:
    part = section(scored, "boundary-iou")
    assert [row[0] for row in part.rows] == list(Made(4).labels.names)
    assert part.columns == ("class", "boundary IoU")


def test_trimap__says_where_the_errors_are(scored: Evaluation) -> None:
    part = section(scored, "trimap")
    width = next(row for row in scored.details["trimap"]["widths"] if row["width"] == 4)
    assert ("share of errors within 4 px", f"{100 * width['share_of_errors']:.1f} %") in part.facts
    assert [row[0] for row in part.rows] == ["1 px", "2 px", "4 px", "8 px", "16 px", "32 px"]


def test_sizes__have_a_row_each(scored: Evaluation) -> None:
    assert [row[0] for row in section(scored, "size-recall").rows] == ["small", "medium", "large"]


@pytest.mark.parametrize("name", ["calibration", "coverage", "coverage-entropy", "coverage-margin"])
def test_charts__are_drawn_for_the_report_alone(scored: Evaluation, name: str) -> None:
    assert section(scored, name).chart.startswith("<svg")
    assert not any(part.chart for part in sections(scored.details, charts=False))


def test_charts__have_ids_of_their_own(scored: Evaluation) -> None:
    import re

    page = "".join(part.chart for part in sections(scored.details))
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_unknown_meter__shows_its_single_numbers() -> None:
    (part,) = sections({"mine": {"depth": 0.25, "table": [1, 2], "note": "x"}})
    assert part.words == "depth 25.0 %"


def test_gain__is_a_section_in_words() -> None:
    data = Made(6)
    plain = evaluate_with(lambda image: np.zeros(image.shape[:2], np.uint8), data)
    gain = tta_gain(plain, plain, seconds=([1.0, 1.0], [2.0, 2.0]))
    (part,) = sections({"tta": gain.to_json()})
    assert "+0.00 points of mIoU" in part.words
    assert "2.00 times the time per image" in part.words
