"""LAYOUTS: the original repositories whose state dicts `from_file` reads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from terrazzo.models.foreign.translation import Translation

    Translate = Callable[[Mapping[str, Tensor]], Translation]


@dataclass(frozen=True)
class Layout:
    """How one repository names its tensors."""

    repository: str
    """owner/name on GitHub."""

    licence: str
    """Of the repository's code and of the weights it publishes, where it says so."""

    load: "Callable[[], Translate]"
    """Imports and returns the translating function; it reads the architecture off the tensors. `arguments`
    hold num_classes as the number of outputs, and the repository's own image convention."""


def _ddrnet() -> "Translate":
    from terrazzo.models.foreign.layouts.ddrnet import translate

    return translate


def _pidnet() -> "Translate":
    from terrazzo.models.foreign.layouts.pidnet import translate

    return translate


LAYOUTS: dict[str, Layout] = {
    "ddrnet": Layout(repository="ydhongHIT/DDRNet", licence="MIT", load=_ddrnet),
    "pidnet": Layout(repository="XuJiacong/PIDNet", licence="MIT", load=_pidnet),
}
"""Name, that of our architecture, -> layout."""
