import base64
import hashlib
from pathlib import Path

import jinja2
import pytest

from terrazzo.core import TerrazzoError
from terrazzo.figures import render, save
from terrazzo.figures.page import percent, thousands


def write(folder: Path, body: str) -> None:
    (folder / "t.html").write_text('{% extends "base.html" %}{% block content %}' + body + "{% endblock %}")


def test_render__escapes_every_value(tmp_path: Path) -> None:
    write(tmp_path, "<p title='{{ name }}'>{{ name }}</p>")
    page = render(tmp_path, "t.html", name="<b>'x'&")
    assert "<p title='&lt;b&gt;&#39;x&#39;&amp;'>&lt;b&gt;&#39;x&#39;&amp;</p>" in page


def test_render__refuses_a_missing_name(tmp_path: Path) -> None:
    write(tmp_path, "{{ nothing }}")
    with pytest.raises(jinja2.UndefinedError, match="'nothing' is undefined"):
        render(tmp_path, "t.html")


def test_base__forbids_the_network_follows_light_and_dark_and_is_usable_by_keyboard(tmp_path: Path) -> None:
    write(tmp_path, "")
    page = render(tmp_path, "t.html")
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page
    assert "prefers-color-scheme: dark" in page
    assert ":focus-visible" in page
    assert 'href="#content"' in page
    assert '<html lang="en">' in page


def test_numbers__are_written_for_people() -> None:
    assert (percent(0.6194), percent(0.5, 2), percent(None)) == ("61.9", "50.00", "–")
    assert thousands(1234567) == "1\u202f234\u202f567"


def test_render__a_script_is_named_by_its_hash_and_there_is_none_otherwise(tmp_path: Path) -> None:
    write(tmp_path, "")
    script = "document.title = 'x < y';"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = render(tmp_path, "t.html", script=script)
    assert f"img-src data:; script-src 'sha256-{digest}'\"" in page
    assert f"<script>{script}</script>" in page
    assert "script" not in render(tmp_path, "t.html")


def test_save__replaces_the_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    for text in ("old", "new"):
        assert save(tmp_path / "deep" / "a.html", text).read_text() == text
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.html"]


def test_save__says_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TerrazzoError, match=r"cannot be written to .*a\.html.*Choose a folder"):
        save(tmp_path / "file" / "a.html", "text")
