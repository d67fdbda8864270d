"""The table of docs/tta.md, from made-up figures."""

from benchmarks.tta import table


def test_table__a_row_per_method_and_what_was_measured() -> None:
    facts = {
        "images": 20,
        "model": "`fpn` at stride 4",
        "interval": "95 % percentile bootstrap over images",
        "note": "One video.",
        "machine": {"threads": 2},
        "batch_of_two_time_ratio": 1.104,
        "rows": [
            {"method": "none", "miou_tta": 0.6806, "time_ratio": 1.0},
            {
                "method": "hflip,merge=max",
                "miou_tta": 0.6924,
                "difference": 0.0118,
                "interval": [0.0073, 0.017],
                "time_ratio": 2.084,
            },
        ],
    }
    lines = table(facts).splitlines()
    assert lines[2:4] == [
        "| none | 68.06 |  |  | 1.00 x |",
        "| `hflip,merge=max` | 69.24 | +1.18 | +0.73 to +1.70 | 2.08 x |",
    ]
    assert lines[-1] == (
        "20 validation images of CamVid, `fpn` at stride 4; 95 % percentile bootstrap over images. One "
        "video. On 2 threads two views in one batch took 1.10 times as long as one after the other."
    )
