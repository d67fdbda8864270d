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


def _bisenetv2() -> "Translate":
    from terrazzo.models.foreign.layouts.bisenetv2 import translate

    return translate


def _cgnet() -> "Translate":
    from terrazzo.models.foreign.layouts.cgnet import translate

    return translate


def _ddrnet() -> "Translate":
    from terrazzo.models.foreign.layouts.ddrnet import translate

    return translate


def _enet() -> "Translate":
    from terrazzo.models.foreign.layouts.enet import translate

    return translate


def _erfnet() -> "Translate":
    from terrazzo.models.foreign.layouts.erfnet import translate

    return translate


def _espnet() -> "Translate":
    from terrazzo.models.foreign.layouts.espnet import translate

    return translate


def _fastscnn() -> "Translate":
    from terrazzo.models.foreign.layouts.fastscnn import translate

    return translate


def _pidnet() -> "Translate":
    from terrazzo.models.foreign.layouts.pidnet import translate

    return translate


LAYOUTS: dict[str, Layout] = {
    "bisenetv2": Layout("CoinCheung/BiSeNet", "MIT", _bisenetv2),
    "cgnet": Layout(repository="wutianyiRosun/CGNet", licence="MIT", load=_cgnet),
    "ddrnet": Layout(repository="ydhongHIT/DDRNet", licence="MIT", load=_ddrnet),
    "enet": Layout(repository="davidtvs/PyTorch-ENet", licence="MIT", load=_enet),
    "erfnet": Layout(repository="Eromera/erfnet_pytorch", licence="CC BY-NC 4.0", load=_erfnet),
    "espnet": Layout(repository="sacmehta/ESPNet", licence="MIT", load=_espnet),
    "fastscnn": Layout("Tramac/Fast-SCNN-pytorch", "Apache-2.0", _fastscnn),
    "pidnet": Layout(repository="XuJiacong/PIDNet", licence="MIT", load=_pidnet),
}
"""Name, that of our architecture, -> layout."""
