"""log.csv: rows, new columns, and going back to an earlier step."""

from pathlib import Path

import pytest

from terrazzo.core.errors import DataError
from terrazzo.train.journal import Journal, read_log


def test_journal__rows_are_read_back_with_columns_added_later(tmp_path: Path) -> None:
    journal = Journal(tmp_path, from_step=0)
    journal.log(1, {"loss": 2.0})
    journal.log(2, {"loss": 1.5})
    journal.log(2, {"val/miou": 0.25})
    journal.log(3, {"loss": 1.0})
    journal.close()
    assert read_log(tmp_path / "log.csv") == [
        {"step": 1, "loss": 2.0},
        {"step": 2, "loss": 1.5, "val/miou": 0.25},
        {"step": 3, "loss": 1.0},
    ]


def test_journal__resuming_drops_rows_that_will_be_lived_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path, from_step=0)
    for step in (1, 2, 3):
        journal.log(step, {"loss": float(step)})
    journal.close()
    Journal(tmp_path, from_step=2).close()
    assert [row["step"] for row in read_log(tmp_path / "log.csv")] == [1, 2]


def test_read_log__a_foreign_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("step,loss\nabc,def\n")
    with pytest.raises(DataError, match=r"log\.csv: not a training log"):
        read_log(tmp_path / "log.csv")


def test_read_log__no_file_is_no_rows(tmp_path: Path) -> None:
    assert read_log(tmp_path / "log.csv") == []
