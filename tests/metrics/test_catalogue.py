import json

import pytest

from terrazzo.core import LabelMap
from terrazzo.metrics.catalogue import METERS
from tests.metrics.probable import drawn

LABELS = LabelMap.of({name: (i, 0, 0) for i, name in enumerate("abcd")})


@pytest.mark.parametrize("name", ["calibration", "coverage", "coverage-entropy", "coverage-margin"])
def test_meters__are_built_for_a_label_map_and_say_plain_values(name: str) -> None:
    meter = METERS[name](LABELS)
    meter.add(drawn(0))
    data = meter.to_json()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["pixels"] == (drawn(0).truth != 255).sum()
