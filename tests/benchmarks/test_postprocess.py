"""The tables of docs/postprocess.md, from made-up figures and a tiny run."""

from benchmarks.postprocess import gain_table, noise, noise_table, speed_table


def test_speed_table__a_row_per_step() -> None:
    clusters = {"all": 9, "below_70": 4}
    facts = {"size": (1024, 2048), "classes": 19, "clusters": clusters, "clusters_many_specks": clusters}
    lines = speed_table({**facts, "milliseconds": {"largest": 17.4}}).splitlines()
    assert lines[2] == "| largest | 17 |"
    assert lines[-1].startswith(
        "2048 x 1024 pixels of 19 classes, one thread; 9 clusters, 4 of them below 70"
    )


def test_gain_table__a_row_per_candidate_and_the_verdict() -> None:
    row = {"postprocess": "close=1", "miou": 0.6812, "difference": -0.0012}
    lines = gain_table({"candidates": [row], "words": "No gain shown.", "notes": ["One video."]}).splitlines()
    assert lines[2:] == ["| `close=1` | 68.12 | -0.12 |", "", "No gain shown.", "One video."]


def test_noise_table__a_row_per_design() -> None:
    rows = noise(2)
    lines = noise_table(rows).splitlines()
    assert len(lines) == 2 + len(rows)
    assert lines[2].startswith("| 8 | 60 images | ")
    assert lines[-1].startswith("| 8 | one video of 60 | ")
