"""The chart of a learning-rate sweep."""

from terrazzo.figures import sweep_chart
from tests.figures.test_charts import texts


def test_sweep_chart__marks_rates_on_a_logarithmic_axis() -> None:
    svg = sweep_chart([1e-5, 1e-3, 1e-2], [2.0, 1.0, 30.0], [2.0, 1.5, 9.0], {"lowest": 1e-3})
    assert {"1e-5", "0.01", "lowest: 0.001", "loss, smoothed", "learning rate"} <= set(texts(svg))
    assert 'aria-label="Training loss over a rising learning rate: lowest 0.001"' in svg


def test_sweep_chart__the_diverging_end_does_not_flatten_the_rest() -> None:
    svg = sweep_chart([1e-4, 1e-3, 1e-2], [2.0, 1.0, 3000.0], [2.0, 1.5, 900.0], {})
    assert not any(word.isdigit() and int(word) > 10 for word in texts(svg))
    assert "no rate at which it falls" in svg
