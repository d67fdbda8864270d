"""Decoded samples on disk: the same bits, valid only while their sources are, and safe for many processes."""

import multiprocessing
import os
import pickle
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from terrazzo.core import RequestError, Sample
from terrazzo.datasets import SegmentationDataset, background, build_dataset, open_dataset
from terrazzo.datasets.disk_cache import cache_folder, readable
from terrazzo.datasets.sample_file import checksum


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own."""
    monkeypatch.setenv("TERRAZZO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(background, "ROOM", 0)  # no job is refused, so that tests know what is there
    return tmp_path / "cache" / "samples"


def same(one: Sample, other: Sample) -> bool:
    arrays = np.array_equal(one["image"], other["image"]) and np.array_equal(one["mask"], other["mask"])
    return arrays and (one["id"], one["group"]) == (other["id"], other["group"])


def entries(place: Path, *datasets: SegmentationDataset) -> list[Path]:
    """The files of the cache, once what the datasets still write is there."""
    for dataset in datasets:
        assert dataset._disk is not None
        dataset._disk.flush()
    return sorted(place.rglob("*.sample"))


def forbid_reading(dataset: SegmentationDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(self: object, index: int) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(type(dataset), "read", read)


def test_disk__a_second_dataset_reads_no_image(
    heap: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = list(build_dataset("folder", root=heap, split="train"))
    first = build_dataset("folder", root=heap, split="train", cache="disk")
    assert all(same(a, b) for a, b in zip(first, plain, strict=True))
    assert len(entries(place, first)) == 8
    again = build_dataset("folder", root=heap, split="train", cache="disk")
    forbid_reading(again, monkeypatch)
    assert all(same(a, b) for a, b in zip(again, plain, strict=True))


def test_disk__samples_are_the_callers_own(heap: Path) -> None:
    dataset = build_dataset("folder", root=heap, cache="disk")
    plain = build_dataset("folder", root=heap)
    for _ in range(3):
        sample = dataset[0]
        assert same(sample, plain[0])
        sample["image"][:] = 0
        sample["mask"][:] = 0


def test_disk__a_changed_file_is_decoded_again(heap: Path) -> None:
    dataset = build_dataset("folder", root=heap, cache="disk")
    before = dataset[0]
    entries(heap, dataset)
    path = heap / "images" / f"{before['id']}.png"
    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(path)
    assert dataset[0]["image"].max() == 0
    os.utime(path, ns=(1, 1))
    assert dataset[0]["image"].max() == 0


def test_disk__a_file_of_the_same_size_but_another_time_is_decoded_again(heap: Path) -> None:
    path = heap / "masks" / "scene0_0.npy"
    (heap / "masks" / "scene0_0.png").unlink()
    np.save(path, np.zeros((6, 8), np.uint8))
    dataset = build_dataset("folder", root=heap, split="all", cache="disk")
    list(dataset)
    entries(heap, dataset)
    np.save(path, np.ones((6, 8), np.uint8))
    os.utime(path, ns=(1, 1))
    assert dataset[dataset.ids.index("scene0_0")]["mask"].all()


@pytest.mark.parametrize(("cache", "seen"), [("disk", False), ("disk-hashed", True)])
def test_disk__contents_are_compared_on_demand(heap: Path, cache: str, *, seen: bool) -> None:
    """Same size and time, other contents: only the hash tells."""
    path = heap / "masks" / "scene0_0.npy"
    (heap / "masks" / "scene0_0.png").unlink()
    np.save(path, np.zeros((6, 8), np.uint8))
    times = path.stat()
    before = build_dataset("folder", root=heap, split="all", cache=cache)
    list(before)
    entries(heap, before)
    np.save(path, np.ones((6, 8), np.uint8))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    dataset = build_dataset("folder", root=heap, split="all", cache=cache)
    index = dataset.ids.index("scene0_0")
    assert bool(dataset[index]["mask"].all()) is seen


def test_disk__other_parameters_are_another_cache(heap: Path, place: Path) -> None:
    whole = build_dataset("folder", root=heap, cache="disk")
    small = build_dataset("folder", root=heap, cache="disk", resize=0.5)
    assert whole[0]["image"].shape == (6, 8, 3)
    assert small[0]["image"].shape == (3, 4, 3)
    entries(place, whole, small)
    text = (heap / "classes.json").read_text()
    (heap / "classes.json").write_text(text.replace("leaf", "blade"))
    entries(place, build_dataset("folder", root=heap, cache="disk"))
    assert len(list(place.iterdir())) == 3


def test_disk__another_split_of_the_same_data_shares_it(heap: Path, place: Path) -> None:
    train = build_dataset("folder", root=heap, split="train", cache="disk")
    list(train)
    assert len(entries(place, train)) == 8
    whole = build_dataset("folder", root=heap, split="all", cache="disk")
    list(whole)
    assert len(entries(place, whole)) == 10


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "foreign", "header", "stub"])
def test_disk__damage_is_noticed_and_mended(heap: Path, place: Path, damage: str) -> None:
    plain = build_dataset("folder", root=heap)[0]
    (path,) = entries(place, build_dataset("folder", root=heap, cache="disk"))
    data = path.read_bytes()
    damaged = {
        "flip": data[:-3] + bytes([data[-3] ^ 4]) + data[-2:],
        "cut": data[:-9],
        "empty": b"",
        "foreign": b"x" * 999,
        "header": data[:40] + bytes([data[40] ^ 1]) + data[41:],
        "stub": data[:10],
    }
    path.write_bytes(damaged[damage])
    if damage == "empty":
        mended = build_dataset("folder", root=heap, cache="disk")
    else:
        with pytest.warns(UserWarning, match=r"\.sample is damaged \(.*\); this sample is decoded again"):
            mended = build_dataset("folder", root=heap, cache="disk")
    assert same(mended[0], plain)
    entries(place, mended)
    assert same(build_dataset("folder", root=heap, cache="disk")[0], plain)


def _read_all(root: Path, start: int, results: "multiprocessing.Queue[bool]") -> None:
    dataset = build_dataset("folder", root=root, split="all", cache="disk")
    plain = build_dataset("folder", root=root, split="all")
    order = [(start + i) % len(plain) for i in range(len(plain))]
    results.put(all(same(dataset[i], plain[i]) for _ in range(20) for i in order))


def test_disk__several_processes_at_once(heap: Path, place: Path) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    workers = [context.Process(target=_read_all, args=(heap, start, results)) for start in (0, 0, 5)]
    for worker in workers:
        worker.start()
    assert all(results.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join()
    assert len(entries(place)) == 10
    assert not list(place.rglob("*.part"))


def test_disk__a_place_that_cannot_be_written_costs_only_the_cache(heap: Path, place: Path) -> None:
    place.parent.mkdir()
    place.write_text("in the way")
    with pytest.warns(UserWarning, match=r"cannot be written .*: samples are decoded each time"):
        entries(heap, dataset := build_dataset("folder", root=heap, cache="disk"))
    assert len(list(dataset)) == 8


def test_disk__without_room_it_is_refused(heap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(heap)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    with pytest.raises(RequestError, match=r"needs about 1\.5 kB in .*, but 100 bytes are free\. Point TERR"):
        build_dataset("folder", root=heap, cache="disk")


def test_disk__travels_to_workers_small(heap: Path) -> None:
    dataset = build_dataset("folder", root=heap, cache="disk-hashed")
    list(dataset)
    again = pickle.loads(pickle.dumps(dataset))
    assert all(same(a, b) for a, b in zip(again, dataset, strict=True))
    assert len(pickle.dumps(dataset)) < len(pickle.dumps(build_dataset("folder", root=heap))) + 2500


def test_disk__one_word_in_a_dataset_yaml(heap: Path, place: Path) -> None:
    path = heap.parent / "data.yaml"
    path.write_text("kind: folder\nroot: heap\ncache: disk\nresize: [3, 4]\n")
    dataset = open_dataset(path, split="train")
    assert dataset[0]["mask"].shape == (3, 4)
    assert len(entries(place, dataset)) == 1


def test_disk__size_and_place_are_told(heap: Path, place: Path) -> None:
    dataset = build_dataset("folder", root=heap, cache="disk")
    list(dataset)
    entries(place, dataset)
    note = dataset.cache_note
    assert note is not None
    assert str(place) in note
    assert "8 there, " in note
    assert build_dataset("folder", root=heap).cache_note is None


def test_disk__scenes_have_no_files_and_still_a_cache(place: Path) -> None:
    one = build_dataset("scenes", size=(32, 40), count=2, cache="disk")
    other = build_dataset("scenes", size=(32, 40), count=2, seed=1, cache="disk")
    assert not np.array_equal(one[0]["image"], other[0]["image"])
    assert same(one[1], build_dataset("scenes", size=(32, 40), count=2)[1])


def test_prepare__unknown_words() -> None:
    with pytest.raises(RequestError, match="Unknown cache 'dsk': did you mean 'disk'"):
        build_dataset("scenes", cache="dsk")
    with pytest.raises(RequestError, match=r"resize is \[0, 3\]; expected \[height, width\] in pixels, or a"):
        build_dataset("scenes", resize=[0, 3])
    with pytest.raises(RequestError, match="no option 'resise': did you mean 'resize'"):
        build_dataset("scenes", resise=0.5)


def test_cache_folder__where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TERRAZZO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/terrazzo/samples")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache/terrazzo/samples"


def test_readable__as_people_say_it() -> None:
    assert [readable(n) for n in (7, 1500, 2.5e9, 3e13)] == ["7 bytes", "1.5 kB", "2.5 GB", "30.0 TB"]


def test_disk__what_is_written_is_what_was_decoded_whatever_the_caller_does(heap: Path, place: Path) -> None:
    plain = build_dataset("folder", root=heap)
    dataset = build_dataset("folder", root=heap, cache="disk")
    for sample in dataset:
        sample["image"][:] = 0
        sample["mask"][:] = 0
    entries(place, dataset)
    again = build_dataset("folder", root=heap, cache="disk")
    assert all(same(a, b) for a, b in zip(again, plain, strict=True))


def test_disk__half_written_files_of_the_dead_are_removed(heap: Path, place: Path) -> None:
    dataset = build_dataset("folder", root=heap, cache="disk")
    (entry,) = entries(place, dataset)
    old, new = entry.with_name(".a-1-b.part"), entry.with_name(".c-2-d.part")
    for part in (old, new):
        part.write_bytes(b"half")
    os.utime(old, (1, 1))
    build_dataset("folder", root=heap, cache="disk")
    assert not old.exists()
    assert new.exists()


def test_background__refuses_what_it_has_no_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "ROOM", 2)
    gate, done = threading.Event(), []

    def work(number: int) -> None:
        gate.wait()
        done.append(number)

    worker = background.Background(work)
    assert worker.has_room()
    worker.flush()
    assert worker.offer(0)
    while not worker.has_room():
        pass
    taken = [worker.offer(number) for number in (1, 2, 3, 4)]
    assert taken[0]
    assert not taken[-1]
    assert not worker.has_room()
    gate.set()
    worker.flush()
    assert done == [n for n, was in enumerate([True, *taken]) if was]


@pytest.mark.parametrize("size", [1, 7, 4071, 4072, 4073, 50_000])
def test_checksum__any_bit_and_any_page_count(size: int) -> None:
    rng = np.random.default_rng(size)
    array = rng.integers(0, 256, size, dtype=np.uint8)
    whole = checksum(array)
    for place in {0, size - 1, *rng.integers(0, size, 20).tolist()}:
        changed = array.copy()
        changed[place] ^= np.uint8(1 << rng.integers(8))
        assert checksum(changed) != whole
    if size > 8192:
        swapped = np.concatenate([array[4096:8192], array[:4096], array[8192:]])
        assert checksum(swapped) != whole
