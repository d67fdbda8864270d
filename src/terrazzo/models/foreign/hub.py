"""A model by its hub name, or a folder that `save_pretrained` wrote -> our network with its weights.

The other library (transformers or segmentation_models_pytorch) reads its own files; it has to be installed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import nn

from terrazzo.core.errors import MissingExtraError, RequestError
from terrazzo.models.base import SegmentationModel
from terrazzo.models.foreign.module import from_module, refuse_unknown

TIMEOUT_SECONDS = 10.0
_CONFIG = "config.json"
_PREPROCESSOR = "preprocessor_config.json"


@dataclass(frozen=True)
class HubModel:
    """What was found under a name."""

    model: SegmentationModel
    """On the CPU, in eval mode."""

    class_names: tuple[str, ...] | None
    """In the order of the outputs, where the files say so."""


def from_hub(
    name: str | Path,
    *,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
) -> HubModel:
    """Return our network with the weights of a model on the hub, or in a local folder.

    Args:
        name: a folder with a config.json, as `save_pretrained` of transformers or
            segmentation_models_pytorch writes, or `owner/model` on the hub; what is in the local cache is
            found without a network.
        mean: per channel, pixel units; None for what the model's image processor says.
        std: likewise.

    Raises:
        RequestError: neither is there, the hub cannot be reached, or the model is of a kind not covered.
    """
    config = _read(name, _CONFIG)
    if config is None:
        raise RequestError(f"{name} has no {_CONFIG}; expected what save_pretrained writes.")
    library, kind = _library(config, name)
    refuse_unknown(f"{library}.{kind}")
    module = _load(library, kind, name)
    said = _statistics(_read(name, _PREPROCESSOR) or {})
    names = config.get("id2label")
    return HubModel(
        from_module(module, mean=mean or said.get("mean"), std=std or said.get("std")),
        tuple(names[key] for key in sorted(names, key=int)) if names else None,
    )


def _library(config: Mapping[str, Any], name: str | Path) -> tuple[str, str]:
    """Return which library wrote a config, and the class it names."""
    if config.get("architectures"):
        return "transformers", str(config["architectures"][0])
    if "_model_class" in config:
        return "segmentation_models_pytorch", str(config["_model_class"])
    raise RequestError(
        f"{name}: its {_CONFIG} names no class; expected one written by transformers or "
        "segmentation_models_pytorch."
    )


def _load(library: str, kind: str, name: str | Path) -> nn.Module:
    if find_spec(library) is None:
        package = library.replace("_", "-")
        raise MissingExtraError(
            f"{name} is a model of {library}, which is needed once to read it: pip install {package}"
        )
    module: nn.Module = getattr(import_module(library), kind).from_pretrained(str(name))
    return module.eval()


def _statistics(preprocessor: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    """Return mean and std in pixel units, as an image processor of transformers says them."""
    if "image_mean" not in preprocessor or preprocessor.get("do_normalize") is False:
        return {}
    scale = 1 / float(preprocessor.get("rescale_factor", 1 / 255))
    return {
        key: tuple(scale * float(value) for value in preprocessor[f"image_{key}"]) for key in ("mean", "std")
    }


def _read(name: str | Path, file: str) -> dict[str, Any] | None:
    """Return a JSON file of a model, or None if the model has no such file."""
    local = Path(name)
    path = local / file if local.is_dir() else _downloaded(str(name), file)
    if path is None or not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    return dict(content) if isinstance(content, Mapping) else {}


def _downloaded(name: str, file: str) -> Path | None:
    """Return the file from the cache or the hub; None where the hub says there is no such file."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, HFValidationError, LocalEntryNotFoundError

    try:
        cached = try_to_load_from_cache(name, file)
        if isinstance(cached, str):
            return Path(cached)
        # Asked first, with a short limit: without a network the download itself tries for half a minute.
        get_hf_file_metadata(hf_hub_url(name, file), timeout=TIMEOUT_SECONDS)
        return Path(hf_hub_download(name, file))
    except HFValidationError as error:
        raise RequestError(
            f"{name} is neither a file, a folder, nor a model's name on the hub (owner/model)."
        ) from error
    except Exception as error:  # what the transport raises differs between the hub's major versions
        if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
            return None
        raise RequestError(
            f"{name} is not on this machine, and the hub cannot give it ({type(error).__name__}). "
            "Check the name and connect to the network; or save it where there is one with "
            "save_pretrained(FOLDER), copy the folder here, and give its path."
        ) from error
