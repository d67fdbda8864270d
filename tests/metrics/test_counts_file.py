from pathlib import Path

import numpy as np
import pytest

from terrazzo.core import DataError, RequestError
from terrazzo.metrics import ConfusionCounts, load_counts, save_counts

GROUPS = ["scene", None, ""]


def counts() -> ConfusionCounts:
    matrices = np.random.default_rng(0).integers(0, 70_000, (3, 4, 4))
    return ConfusionCounts.of(matrices, ["a", "b/ü", "c"], GROUPS, ignore_index=9)


def test_save_counts__comes_back_as_it_was(tmp_path: Path) -> None:
    save_counts(tmp_path / "deep" / "counts.npz", counts(), {"protocol": {"tta": "none"}})
    back, facts = load_counts(tmp_path / "deep" / "counts.npz")
    np.testing.assert_array_equal(back.per_image, counts().per_image)
    assert back.per_image.dtype == np.int64
    assert (back.ids, back.groups, back.ignore_index) == (("a", "b/ü", "c"), tuple(GROUPS), 9)
    assert facts == {"protocol": {"tta": "none"}}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["counts.npz"]


def test_save_counts__says_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match=r"counts\.npz cannot be written .*another place"):
        save_counts(tmp_path / "file" / "counts.npz", counts(), {})


def test_load_counts__refuses_what_is_no_counts(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with pytest.raises(DataError, match="no such file; expected counts that"):
        load_counts(path)
    path.write_bytes(b"hello")
    with pytest.raises(DataError, match="holds no counts"):
        load_counts(path)
    np.savez(path, matrices=np.zeros(3))
    with pytest.raises(DataError, match=r"holds no counts .*Write it again"):
        load_counts(path)
    save_counts(path, counts(), {})
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match="holds no counts"):
        load_counts(path)


def test_load_counts__never_unpickles(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    save_counts(path, counts(), {})
    arrays = dict(np.load(path))
    arrays["ids"] = np.array([{"a": 1}, None, 2], dtype=object)
    np.savez(path, **arrays, allow_pickle=True)
    with pytest.raises(DataError, match="holds no counts"):
        load_counts(path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": 2}, "counts of format 2; this Terrazzo reads format 1"),
        ({"matrices": np.zeros((3, 4, 5), np.uint8)}, r"shape \(3, 4, 5\) and type uint8; expected unsigned"),
        ({"matrices": np.zeros((3, 4, 4))}, "type float64; expected unsigned"),
        ({"ids": np.array(["a", "b"])}, "an id and a group for each of the N images"),
        ({"ids": np.array(["a", "b", "b"])}, "'b' has been counted already"),
    ],
)
def test_load_counts__refuses_counts_that_contradict_themselves(
    tmp_path: Path, change: dict[str, object], sentence: str
) -> None:
    path = tmp_path / "x.npz"
    save_counts(path, counts(), {})
    np.savez(path, **{**dict(np.load(path)), **change})
    with pytest.raises(DataError, match=sentence):
        load_counts(path)
