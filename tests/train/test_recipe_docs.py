"""docs/recipes.md names every key of a recipe."""

from pathlib import Path

import pytest

from terrazzo.train import Recipe

PAGE = Path("docs/recipes.md").read_text()
KEYS = [
    f"{section}.{key}"
    for section, field in Recipe.model_fields.items()
    for key in field.annotation.model_fields  # type: ignore[union-attr]
]


@pytest.mark.parametrize("key", KEYS)
def test_docs__name_the_key(key: str) -> None:
    section, _, name = key.partition(".")
    assert f"`{key}`" in PAGE or f"`{name}`" in PAGE or f"`--{name}`" in PAGE, f"{section}: {name}"
