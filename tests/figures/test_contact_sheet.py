"""Contact sheets: every picture at its place, every caption legible."""

import numpy as np

from terrazzo.figures.contact_sheet import GAP, Cell, contact_sheet


def plain(tone: int, size: tuple[int, int] = (30, 40)) -> np.ndarray:
    return np.full((*size, 3), tone, np.uint8)


def test_contact_sheet__pictures_stand_in_rows_and_columns() -> None:
    sheet = contact_sheet([[Cell(plain(10)), Cell(plain(60))], [Cell(plain(120))]], width=80)
    assert sheet.shape[1] == 2 * 80 + 3 * GAP
    assert (sheet[:60, GAP : GAP + 80] == 10).all()
    assert (sheet[:60, 2 * GAP + 80 : 2 * GAP + 160] == 60).all()
    rows = np.flatnonzero((sheet[:, GAP] == 120).all(axis=1))
    assert len(rows) == 60
    assert rows[0] > 60


def test_contact_sheet__captions_and_title_are_written() -> None:
    bare = contact_sheet([[Cell(plain(10))]], width=80)
    sheet = contact_sheet([[Cell(plain(10), ("rain 0.50",))]], width=80, title="Operations")
    assert sheet.shape[0] > bare.shape[0] + 40
    assert (sheet < 100).any(axis=2).sum() > 60 * 80 + 100


def test_contact_sheet__long_captions_are_broken_into_lines() -> None:
    words = "flip, rotate 0.47, elastic 0.40, cutmix 0.70, copy_paste 0.50"
    one = contact_sheet([[Cell(plain(10), ("flip",))]], width=120)
    many = contact_sheet([[Cell(plain(10), (words,))]], width=120)
    assert many.shape[0] >= one.shape[0] + 2 * 17


def test_contact_sheet__a_lower_picture_leaves_room() -> None:
    sheet = contact_sheet([[Cell(plain(10)), Cell(plain(60, (60, 40)))]], width=40)
    assert (sheet[35:60, GAP : GAP + 40] > 200).all()
