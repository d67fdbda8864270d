"""What inputs mean: files, folders, tables and URLs."""

from pathlib import Path

import pytest

from terrazzo.core.errors import DataError
from terrazzo.predict.ray_engine.sources import (
    _url_of,
    find_sources,
    is_url,
    local_file,
    plain_path,
    version_of,
)
from tests.predict.ray_engine.made import make_photos


def test_find_sources__folders_tables_and_urls_name_the_same_images(tmp_path: Path) -> None:
    photos, out = make_photos(tmp_path / "photos", 3), tmp_path / "out"
    names = [f"{n:02}.png" for n in range(3)]
    paths = [str(photos / name) for name in names]
    assert find_sources([photos], out, volumes=False) == paths
    (tmp_path / "list.csv").write_text("image,who\n" + "".join(f"photos/{name},x\n" for name in names))
    assert find_sources([tmp_path / "list.csv"], out, volumes=False) == paths
    assert find_sources([photos, tmp_path / "list.csv", paths[1]], out, volumes=False) == paths, "none twice"
    urls = [f"{photos.as_uri()}/{name}" for name in names]
    (photos / ".hidden.png").write_bytes(b"")
    (photos / "notes.txt").write_text("")
    assert find_sources([photos.as_uri()], out, volumes=False) == urls
    assert find_sources([urls[2]], out, volumes=False) == urls[2:]
    assert find_sources([(tmp_path / "list.csv").as_uri()], out, volumes=False) == [
        f"{tmp_path.as_uri()}/photos/{name}" for name in names
    ]


def test_find_sources__tables_may_name_urls_and_parquet_is_one(tmp_path: Path) -> None:
    parquet, arrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    names = ["s3://bucket/a.png", "/mnt/b.png"]
    parquet.write_table(arrow.table({"image": names, "other": [1, 2]}), tmp_path / "list.parquet")
    assert find_sources([tmp_path / "list.parquet"], tmp_path, volumes=False) == names


def test_find_sources__says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("picture\na.png\n")
    with pytest.raises(DataError, match="no column 'image'; expected image, and where wanted"):
        find_sources([tmp_path / "list.csv"], tmp_path, volumes=False)
    (tmp_path / "list.csv").write_text("image,b\na.png,1\n,2\n")
    with pytest.raises(DataError, match="row 2 names no image"):
        find_sources([tmp_path / "list.csv"], tmp_path, volumes=False)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"No images at file://.*looked for files that end in \.bmp"):
        find_sources([(tmp_path / "empty").as_uri()], tmp_path, volumes=False)
    with pytest.raises(DataError, match=r"ftp9://a/b cannot be read: .*Check the address"):
        find_sources(["ftp9://a/b"], tmp_path, volumes=False)


def test_local_file__copies_a_url_and_names_it_in_errors(tmp_path: Path) -> None:
    (photo,) = make_photos(tmp_path / "photos", 1).iterdir()
    with local_file(photo.as_uri()) as copy:
        assert copy.read_bytes() == photo.read_bytes()
        assert copy.name == photo.name
    assert not copy.exists()
    with pytest.raises(DataError, match=f"^{photo.as_uri()} is bad"), local_file(photo.as_uri()) as copy:
        raise DataError(f"{copy} is bad")
    assert version_of(photo.as_uri()) == version_of(str(photo))
    assert not is_url(str(photo))


def test_url_of__keeps_hosts_keys_and_options() -> None:
    assert _url_of("bucket/a b.png", "s3://bucket/") == "s3://bucket/a%20b.png"
    assert _url_of("bucket/d/a.png", "s3://id:key@bucket/d?region=x") == "s3://id:key@bucket/d/a.png?region=x"
    assert _url_of("/d/a.png", "hdfs://head:8020/d") == "hdfs://head:8020/d/a.png"
    assert _url_of("/d/a.png", "file:///d/") == "file:///d/a.png"
    assert plain_path("s3://bucket/a%20b.png?region=x").name == "a b.png"
