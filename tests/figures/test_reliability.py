import re
from typing import Any
from xml.etree import ElementTree

from terrazzo.figures import reliability_diagram, risk_coverage_chart
from terrazzo.metrics.calibration import Calibration
from terrazzo.metrics.coverage import Coverage
from tests.metrics.probable import drawn


def words(svg: str) -> set[str]:
    root = ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns:xlink="x" ', 1))
    return {"".join(node.itertext()).strip() for node in root.iter() if node.tag.endswith("text")}


def bins(sharpness: float) -> list[dict[str, Any]]:
    meter = Calibration(4)
    meter.add(drawn(0, sharpness=sharpness))
    return meter.reliability()


def found() -> dict[str, Any]:
    meter = Coverage()
    meter.add(drawn(0))
    return meter.to_json()


def test_reliability_diagram__names_models_and_says_which_way_they_lean() -> None:
    svg = reliability_diagram({"before": bins(3), "after <b>": bins(1)})
    assert {"before", "after <b>", "accuracy, per cent", "confidence, per cent"} <= words(svg)
    label = re.search(r'aria-label="([^"]*)"', svg)
    assert label is not None
    assert re.search(r"before: mean confidence 8\d\.\d %, accuracy [67]\d\.\d %", label[1])


def test_risk_coverage_chart__says_the_errors_in_words() -> None:
    svg = risk_coverage_chart({"confidence": found()})
    assert "confidence" in words(svg)
    assert re.search(r"confidence: \d+\.\d % wrong at 90 %, .* at 95 %, .* at 100 %", svg)


def test_charts__of_nothing_are_still_charts() -> None:
    empty = Calibration(4).reliability()
    assert "no pixels" in reliability_diagram({"a": empty})
    assert "no pixels" in risk_coverage_chart({"a": Coverage().to_json()})
    assert "nothing measured" in reliability_diagram({})
    assert "nothing measured" in risk_coverage_chart({})


def test_charts__follow_the_page_and_fetch_nothing() -> None:
    svg = reliability_diagram({"a": bins(1)})
    assert svg == reliability_diagram({"a": bins(1)}), "the same bytes every time"
    for chart in (svg, risk_coverage_chart({"a": found()})):
        assert "currentColor" in chart
        assert "font-family" not in chart
        assert "http" not in chart
