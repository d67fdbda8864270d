"""Change what a model folder says about its model; weights and all else stay byte for byte."""

from collections.abc import Callable
from pathlib import Path

from terrazzo.checkpoint.card import Card
from terrazzo.checkpoint.manifest import file_facts
from terrazzo.checkpoint.readme import render_readme
from terrazzo.checkpoint.save import CARD, README
from terrazzo.checkpoint.verify import find_folder, read_files, read_manifest
from terrazzo.checkpoint.write import write_folder


def replace_card(folder: Path | str, change: Callable[[Card], Card]) -> Card:
    """Replace the card of a model folder, and the README that says it in words, in one atomic write.

    Every file is checked before it is written again, so damage is found and never sealed anew. A README that
    a person has edited is kept as it is.

    Args:
        folder: a model folder.
        change: from the card that is there to the new one.

    Returns:
        The new card.

    Raises:
        CheckpointError: the folder is missing, foreign or damaged, or cannot be written.
    """
    folder = Path(folder)
    found = find_folder(folder)
    listed = read_manifest(found)
    edited = README in listed.files and _edited(found / README, listed.files[README])
    contents, manifest = read_files(folder, [name for name in listed.files if name != README])
    card = change(Card.from_bytes(contents[CARD], source=str(folder / CARD)))
    contents[CARD] = card.to_bytes()
    contents[README] = (found / README).read_bytes() if edited else render_readme(card).encode()
    write_folder(folder, contents, environment=manifest.environment)
    return card


def _edited(readme: Path, expected: object) -> bool:
    """Tell whether a README is there and is not the one that was written."""
    return readme.is_file() and file_facts(readme) != expected
