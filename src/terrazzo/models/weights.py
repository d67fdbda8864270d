"""Where pretrained weights come from, asked once and answered fast.

timm's download tries for three quarters of a minute before it gives up without a network, also where the file
is in the cache already. Here the cache is asked first, then one request with a short limit decides.
"""

from pathlib import Path
from typing import Any

from terrazzo.core.errors import RequestError

TIMEOUT_SECONDS = 10.0


def weights_file(path: str) -> Path:
    """Return the path of a local weight file.

    Raises:
        RequestError: it is not a .safetensors file, or not there.
    """
    file = Path(path)
    if file.suffix != ".safetensors":
        raise RequestError(
            f"pretrained = {path!r} is no .safetensors file: weights are never unpickled. "
            "Give true for timm's own weights, or convert the file with safetensors.torch.save_file."
        )
    if not file.is_file():
        raise RequestError(f"pretrained = {path!r}: no such file. Give the path of a .safetensors file.")
    return file


def cached_or_reachable(name: str) -> Path | None:
    """Return the cached weights of a timm network, or None if they can be downloaded.

    Raises:
        RequestError: timm has no weights for this network, or they are neither here nor can be fetched.
    """
    config = _pretrained_config(name)
    repository = str(config.hf_hub_id or "").partition("@")[0]
    if not repository:
        return None  # a plain address; timm fetches it, without the long retries
    file = config.hf_hub_filename or "model.safetensors"
    cached = _cached(repository, file)
    if cached is None:
        _require_server(name, repository, file)
    return cached


def _pretrained_config(name: str) -> Any:
    from timm.models import get_pretrained_cfg

    try:
        config = get_pretrained_cfg(name)
    except (RuntimeError, KeyError):  # an unknown tag
        config = None
    if config is None or not config.has_weights:
        raise RequestError(
            f"timm has no pretrained weights for {name!r}. Choose another encoder, give a local file as "
            "pretrained = 'path/to/file.safetensors', or train from random weights."
        )
    return config


def _cached(repository: str, file: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(repository, file)
    return Path(path) if isinstance(path, str) and path.endswith(".safetensors") else None


def _require_server(name: str, repository: str, file: str) -> None:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    try:
        get_hf_file_metadata(hf_hub_url(repository, file), timeout=TIMEOUT_SECONDS)
    except HfHubHTTPError:
        return  # the server answered; what it said about the file is timm's to handle
    except Exception as error:  # what the transport raises differs between the hub's major versions
        raise RequestError(
            f"The pretrained weights of {name!r} are not on this machine and cannot be downloaded "
            f"({type(error).__name__}: {error}). Connect to the network, or copy {file} of {repository!r} "
            f"here and give pretrained = 'path/to/{file}', or train from random weights: pretrained = false."
        ) from error
