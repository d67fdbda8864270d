"""The manifest of a folder: what each file must be, and what the run was that wrote it.

`manifest.json` is written last, so a folder without one is unfinished or not ours. It carries a checksum of
itself: a flipped bit in the manifest is found as surely as one in the weights.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch

from terrazzo.core.errors import CheckpointError

MANIFEST: Final = "manifest.json"
FORMAT: Final = "terrazzo folder"
VERSION: Final = 1
TERRAZZO_VERSION: Final = version("terrazzo")
CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class FileFacts:
    """What one file must be."""

    sha256: str
    """Hexadecimal digest of the content."""

    bytes: int
    """Size of the content."""


@dataclass(frozen=True)
class Environment:
    """What decides the last bits of a computation besides its inputs."""

    torch: str
    """Version of PyTorch."""

    device: str
    """Kind of device and its name, for instance `cpu (AVX512)` or `cuda (NVIDIA H200)`."""

    threads: int
    """Number of threads that PyTorch computes with on the CPU."""

    world_size: int
    """Number of processes that train together."""

    def differences(self, now: "Environment") -> list[str]:
        """Return one phrase per fact in which `now` differs from what was written down."""
        named = {"torch": "torch", "device": "device", "threads": "thread count", "world_size": "world size"}
        before, after = asdict(self), asdict(now)
        return [
            f"{named[key]} was {before[key]}, is {after[key]}" for key in named if before[key] != after[key]
        ]


@dataclass(frozen=True)
class Manifest:
    """Every file of a folder with its checksum, and the environment that wrote them."""

    files: Mapping[str, FileFacts]
    """Name within the folder -> what it must be. The manifest itself is not listed."""

    environment: Environment
    """The run that wrote the folder."""

    terrazzo: str = TERRAZZO_VERSION
    """Version of this package that wrote the folder."""

    def to_bytes(self) -> bytes:
        """Return the content of `manifest.json`; `from_bytes` gives the manifest back."""
        body: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "terrazzo": self.terrazzo,
            **asdict(self.environment),
            "files": {name: asdict(self.files[name]) for name in sorted(self.files)},
        }
        return _seal(body)

    @classmethod
    def from_bytes(cls, content: bytes, *, source: str) -> "Manifest":
        """Read the content of a `manifest.json`.

        Args:
            content: the bytes of the file.
            source: the file's name, for the message.

        Raises:
            CheckpointError: it is damaged, not ours, or of a newer version.
        """
        body = _unseal(content, source)
        try:
            files = {name: FileFacts(**facts) for name, facts in body["files"].items()}
            environment = Environment(**{key: body[key] for key in Environment.__dataclass_fields__})
            return cls(files, environment, body["terrazzo"])
        except (AttributeError, KeyError, TypeError) as error:
            raise _foreign(source) from error


def current_environment(device: torch.device | str | None = None) -> Environment:
    """Describe this process.

    Args:
        device: the device that computes; None means the GPU where there is one, else the CPU.
    """
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    together = torch.distributed.is_available() and torch.distributed.is_initialized()
    return Environment(
        torch=str(torch.__version__),
        device=_device_name(torch.device(device)),
        threads=torch.get_num_threads(),
        world_size=torch.distributed.get_world_size() if together else 1,
    )


def file_facts(path: Path) -> FileFacts:
    """Read a file and return its digest and size."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return FileFacts(digest.hexdigest(), size)


def facts_of(content: bytes) -> FileFacts:
    """Return the digest and size of content in memory."""
    return FileFacts(hashlib.sha256(content).hexdigest(), len(content))


def _device_name(device: torch.device) -> str:
    """Name what computes: two CPUs with other vector units round differently, as do two kinds of GPU."""
    if device.type == "cpu":
        return f"cpu ({torch.backends.cpu.get_cpu_capability()})"
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return device.type


def _seal(body: Mapping[str, Any]) -> bytes:
    """Write a body as JSON with a checksum of everything else in it."""
    plain = {key: value for key, value in body.items() if key != "sha256"}
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
    return (json.dumps({**plain, "sha256": digest}, indent=2, sort_keys=True) + "\n").encode()


def _unseal(content: bytes, source: str) -> dict[str, Any]:
    """Read a sealed body; sealing it again must give the same bytes, so no single bit goes unnoticed."""
    try:
        body = json.loads(content)
    except ValueError as error:
        raise CheckpointError(f"{source} is damaged: it is not readable as JSON. {ASK_AGAIN}") from error
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise _foreign(source)
    if _seal(body) != content:
        raise CheckpointError(f"{source} is damaged: its checksum does not match its content. {ASK_AGAIN}")
    if body["version"] > VERSION:
        raise CheckpointError(
            f"{source} has format version {body['version']}, written by Terrazzo {body.get('terrazzo')}; "
            f"this Terrazzo ({TERRAZZO_VERSION}) reads up to version {VERSION}. "
            "Upgrade with `pip install -U terrazzo`."
        )
    return body


def _foreign(source: str) -> CheckpointError:
    return CheckpointError(
        f"{source} is not a manifest that Terrazzo wrote (or it is damaged): expected a folder made by "
        "`terrazzo train` or `save_model`."
    )


ASK_AGAIN: Final = "Copy the folder again from where it came, or use another checkpoint."
