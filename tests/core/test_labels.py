"""LabelMap: encoding raw masks, decoding, painting, and the sentences for what nobody declared."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from terrazzo.core import ConfigError, DataError, LabelClass, LabelMap
from terrazzo.core.labels import RGB, pack_colors

STREET = LabelMap(
    classes=(
        LabelClass("road", (128, 64, 128), raw_ids=(7, 8), raw_colors=((129, 65, 129),)),
        LabelClass("car", (0, 0, 142), raw_ids=(26, 27, 28)),
        LabelClass("sky", (70, 130, 180), raw_ids=(0,)),
    ),
    void_ids=(255, 11),
    void_colors=((0, 0, 0), (1, 1, 1)),
)

IDS = arrays(
    np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.sampled_from([0, 1, 2, 255])
)


def many(count: int) -> LabelMap:
    """A map of so many classes, whose raw ids are twice the train id."""
    classes = tuple(LabelClass(f"c{i}", (i % 256, i // 256, 7), (2 * i,)) for i in range(count))
    return LabelMap(classes, void_ids=(65535,))


def test_encode__several_raw_ids_and_void() -> None:
    raw = np.array([[7, 8, 26], [27, 28, 0], [255, 11, 7]], dtype=np.uint8)
    ids = STREET.encode(raw)
    np.testing.assert_array_equal(ids, [[0, 0, 1], [1, 1, 2], [255, 255, 0]])
    assert ids.dtype == np.uint8


def test_encode__16_bit_ids() -> None:
    labels = LabelMap((LabelClass("a", (1, 2, 3), (300,)), LabelClass("b", (4, 5, 6), (40000,))), (65535,))
    ids = labels.encode(np.array([[300, 40000, 65535]], dtype=np.uint16))
    np.testing.assert_array_equal(ids, [[0, 1, 255]])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.int64])
def test_encode__any_integer_dtype(dtype: type[np.integer]) -> None:
    labels = LabelMap.of({"a": (1, 1, 1), "b": (2, 2, 2)}, void_ids=(9,))
    np.testing.assert_array_equal(labels.encode(np.array([[0, 1, 9]], dtype=dtype)), [[0, 1, 255]])


def test_encode__more_than_255_classes_use_int16_and_minus_one() -> None:
    labels = many(300)
    ids = labels.encode(np.array([[0, 598, 65535]], dtype=np.uint16))
    assert ids.dtype == np.int16
    assert labels.ignore_index == -1
    np.testing.assert_array_equal(ids, [[0, 299, -1]])
    np.testing.assert_array_equal(labels.decode(ids), [[0, 598, 65535]])


def test_encode__255_classes_still_fit_uint8() -> None:
    labels = many(255)
    assert labels.ignore_index == 255
    assert labels.encode(np.array([[508, 65535]], dtype=np.uint16)).tolist() == [[254, 255]]


@pytest.mark.parametrize("classes", [2, 253, 254, 255])
def test_encode__bytes_around_the_largest_class(classes: int) -> None:
    labels = LabelMap(tuple(LabelClass(f"c{i}", (i, 0, 0), (i,)) for i in range(classes)), (255,))
    raw = np.array([[0, classes - 1, 255]], np.uint8)
    np.testing.assert_array_equal(labels.encode(raw), raw)
    if classes < 255:
        with pytest.raises(DataError, match=f"undeclared id {max(classes, 254)} at row 0, column 1"):
            labels.encode(np.array([[0, max(classes, 254)]], np.uint8))


def test_encode__colours_painted_and_further_ones() -> None:
    raw = np.array([[(128, 64, 128), (129, 65, 129), (0, 0, 142)], [(0, 0, 0), (1, 1, 1), (70, 130, 180)]])
    np.testing.assert_array_equal(STREET.encode(raw.astype(np.uint8)), [[0, 0, 1], [255, 255, 2]])


def test_encode__undeclared_id_says_where_what_and_how_many() -> None:
    raw = np.full((4, 5), 7, dtype=np.uint8)
    raw[2, 3] = raw[3, 0] = 9
    raw[3, 4] = 100
    with pytest.raises(DataError) as error:
        STREET.encode(raw, source="masks/a.png")
    assert str(error.value) == (
        "masks/a.png: undeclared id 9 at row 2, column 3 "
        "(2 pixels of this value, 3 undeclared pixels in all). "
        "Declared ids: 7..8 road, 26..28 car, 0 sky; void: 11, 255. "
        "Add the id to a class or to the void ids, or repair the mask."
    )


@pytest.mark.parametrize("value", [-1, -2, 29, 254, 256, 70000])
def test_encode__ids_outside_the_table_are_undeclared_too(value: int) -> None:
    with pytest.raises(DataError, match=f"undeclared id {value} at row 0, column 1"):
        STREET.encode(np.array([[7, value]], dtype=np.int64))


def test_encode__many_classes_are_declared_as_ranges() -> None:
    labels = LabelMap.of({f"c{i}": (i, 0, 0) for i in range(40)})
    with pytest.raises(DataError, match=r"Declared ids: 0\.\.39; void: 255\."):
        labels.encode(np.array([[77]], dtype=np.uint8))


def test_encode__undeclared_colour_names_the_closest() -> None:
    raw = np.full((3, 3, 3), 70, dtype=np.uint8)
    raw[...] = (70, 130, 180)
    raw[1, 2] = (2, 3, 139)
    with pytest.raises(DataError) as error:
        STREET.encode(raw, source="b.png")
    assert str(error.value) == (
        "b.png: undeclared colour (2, 3, 139) at row 1, column 2 (1 pixel of this value). "
        "The closest declared colour is (0, 0, 142) (car). "
        "Add the colour to a class or to the void colours, or repair the mask."
    )


def test_encode__grey_colours_hint_at_ids_saved_as_rgb() -> None:
    raw = np.full((2, 2, 3), 7, dtype=np.uint8)
    with pytest.raises(DataError, match="if these are ids, save the mask with one channel"):
        STREET.encode(raw)


def test_encode__binary_mask_with_255_hints_at_the_remedy() -> None:
    labels = LabelMap.of({"no": (0, 0, 0), "yes": (9, 9, 9)}, void_ids=())
    with pytest.raises(DataError, match="holds only 0 and 255: declare raw id 255 for the second class"):
        labels.encode(np.array([[0, 255]], dtype=np.uint8))


def test_encode__floats_and_odd_channels_are_refused() -> None:
    with pytest.raises(DataError, match=r"m\.npy: mask values are float32; expected whole-number ids"):
        STREET.encode(np.zeros((2, 2), np.float32), source="m.npy")
    with pytest.raises(DataError, match=r"mask is \(2, 2, 4\) uint8; expected RGB"):
        STREET.encode(np.zeros((2, 2, 4), np.uint8))


@given(
    arrays(
        np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.sampled_from([0, 1, 2, 255])
    )
)
def test_decode__then_encode_gives_the_same_ids(ids: np.ndarray) -> None:
    np.testing.assert_array_equal(STREET.encode(STREET.decode(ids)), ids)


@given(
    arrays(
        np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.sampled_from([0, 1, 2, 255])
    )
)
def test_colorize__then_encode_gives_the_same_ids(ids: np.ndarray) -> None:
    np.testing.assert_array_equal(STREET.encode(STREET.colorize(ids)), ids)


def test_decode__writes_the_first_raw_id() -> None:
    raw = STREET.decode(np.array([[0, 1, 2, 255]], dtype=np.uint8))
    assert raw.dtype == np.uint8
    assert raw.tolist() == [[7, 26, 0, 255]]


def test_decode__void_without_raw_id_takes_a_free_one() -> None:
    labels = LabelMap((LabelClass("a", (1, 1, 1), (0,)), LabelClass("b", (2, 2, 2), (255,))), void_ids=())
    assert labels.decode(np.array([[1, 255]], dtype=np.uint8)).tolist() == [[255, 65535]]


def test_colorize__void_is_black_unless_told() -> None:
    ids = np.array([[2, 255]], dtype=np.uint8)
    assert STREET.colorize(ids).tolist() == [[[70, 130, 180], [0, 0, 0]]]
    assert STREET.colorize(ids, void=(9, 8, 7))[0, 1].tolist() == [9, 8, 7]


def test_to_json__comes_back_the_same() -> None:
    assert LabelMap.from_json(STREET.to_json()) == STREET


def test_map__facts() -> None:
    assert STREET.num_classes == 3
    assert STREET.names == ("road", "car", "sky")
    assert STREET.palette.tolist() == [[128, 64, 128], [0, 0, 142], [70, 130, 180]]


@pytest.mark.parametrize(
    ("classes", "void_ids", "sentence"),
    [
        ((), (255,), "needs at least one class"),
        (
            (("a", (1, 1, 1), (0,)), ("a", (2, 2, 2), (1,))),
            (255,),
            "The name 'a' stands for both",
        ),
        (
            (("a", (1, 1, 1), (0,)), ("b", (2, 2, 2), (0,))),
            (255,),
            "raw id 0 stands for both 'a' and 'b'",
        ),
        ((("a", (1, 1, 1), (0,)), ("b", (1, 1, 1), (1,))), (255,), r"The colour \(1, 1, 1\) stands for both"),
        ((("a", (1, 1, 1), (255,)),), (255,), "The raw id 255 stands for both 'a' and 'void'"),
        ((("a", (1, 1, 1), (-3,)),), (255,), r"Raw id -3 of 'a' .* expected 0\.\.65535"),
        ((("a", (1, 1, 1), (0,)),), (70000,), "Raw id 70000 of 'void'"),
        ((("a", (1, 1, 1), ()),), (255,), "The class 'a' has no raw id"),
    ],
)
def test_map__contradictions_are_refused(
    classes: tuple[tuple[str, RGB, tuple[int, ...]], ...], void_ids: tuple[int, ...], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        LabelMap(tuple(LabelClass(*c) for c in classes), void_ids)


def test_pack_colors__is_one_number_per_colour() -> None:
    assert pack_colors(np.array([(1, 2, 3)], dtype=np.uint8)).tolist() == [66051]
