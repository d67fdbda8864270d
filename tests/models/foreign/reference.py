"""What an original implementation put out for drawn weights and a drawn image, kept as a small file.

A reference holds the names and shapes of the weights (JSON), the seed, the size of the image, and every n-th
logit of the full-size output. `make_reference` is what wrote it, given the original module.
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tests.models.foreign.drawn import drawn_state

FOLDER = Path(__file__).parent / "references"
STEP = 5
"""Rows and columns between the logits that are kept."""


def drawn_image(size: tuple[int, int]) -> Tensor:
    """Return one image (1, 3, H, W) of normalised values."""
    values = np.random.default_rng(7).standard_normal((1, 3, *size))
    return torch.from_numpy(values.astype(np.float32))


def make_reference(name: str, module: nn.Module, size: tuple[int, int], *, source: str) -> None:
    """Run an original module with drawn weights and keep what comes out.

    Args:
        name: of the file.
        module: returns full-size logits, alone or first in a sequence.
        size: (H, W) of the image, pixels.
        source: repository and commit.
    """
    shapes = {key: list(tensor.shape) for key, tensor in module.state_dict().items()}
    module.load_state_dict(drawn_state(shapes))
    with torch.no_grad():
        output = module.eval()(drawn_image(size))
    logits = output if isinstance(output, Tensor) else output[0]
    kept = logits[..., ::STEP, ::STEP].numpy()
    facts = json.dumps({"source": source, "size": size, "shapes": shapes})
    np.savez_compressed(FOLDER / f"{name}.npz", logits=kept, facts=np.array(facts))


def read_reference(name: str) -> tuple[dict[str, Tensor], tuple[int, int], Tensor]:
    """Return the drawn weights, the image's size, and the logits that were kept."""
    with np.load(FOLDER / f"{name}.npz") as content:
        facts = json.loads(str(content["facts"]))
        logits = torch.from_numpy(content["logits"])
    height, width = facts["size"]
    return drawn_state(facts["shapes"]), (height, width), logits
