"""Downloads by torchvision end in one sentence when they fail, and torchvision is imported only for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from terrazzo.core.errors import TerrazzoError
from terrazzo.datasets.about import About


@contextmanager
def downloading(about: About, root: Path) -> Iterator[None]:
    """Make the folder, and turn what fails inside the block into one error.

    Raises:
        TerrazzoError: the server cannot be reached, a checksum differs, or the folder cannot be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        yield
    except (OSError, RuntimeError) as error:  # URLError is an OSError; torchvision raises RuntimeError
        raise TerrazzoError(
            f"{about.title} could not be downloaded into {root}: {error}. Check the connection and the disk, "
            f"or get it by hand: {about.homepage}"
        ) from error
