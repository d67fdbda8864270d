"""The manifest: whole lines survive a kill, the order is right at the end, other runs are kept."""

import json
from pathlib import Path
from typing import Any

from terrazzo.predict.ray_engine.manifest import Manifest, read_manifest


def row(image: str, mask: str | None = None, **facts: Any) -> dict[str, Any]:
    return {"image": image, "mask": mask or f"{image}.png", "error": None, "request": "r", **facts}


def test_manifest__keeps_whole_lines_of_a_run_that_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    path.write_text(json.dumps(row("a")) + "\n" + json.dumps(row("b"))[:20])
    manifest = Manifest(path)
    manifest.add(row("c"))
    manifest.close()
    assert list(read_manifest(path)) == ["a", "c"]
    assert manifest.known("a", "r") == row("a")
    assert manifest.known("a", "another model") is None
    assert manifest.known("b", "r") is None


def test_manifest__an_error_is_tried_again_and_the_last_row_counts(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    lines = [row("a"), row("a", error="damaged"), row("b", error="x"), row("b")]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    manifest = Manifest(path)
    assert manifest.known("a", "r") is None
    assert manifest.known("b", "r") == row("b")
    manifest.close()


def test_manifest__finish_orders_rows_after_those_of_other_images(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    path.write_text("".join(json.dumps(row(image)) + "\n" for image in ("z", "b", "old")))
    manifest = Manifest(path)
    manifest.add(row("b"))
    manifest.finish([row("a", "old.png"), row("b")])
    assert list(read_manifest(path)) == ["z", "a", "b"], "what old.png was made from is no longer true"
    assert [p.name for p in tmp_path.iterdir()] == ["manifest.jsonl"]
