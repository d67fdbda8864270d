"""Batch norm over all processes: whether, and how a network gets it.

With a few crops per GPU the statistics of one process are noisy; torch.nn.SyncBatchNorm takes them over all.
It is made for CUDA alone.
"""

from typing import Literal

from torch import nn

from terrazzo.core.errors import RequestError

Setting = Literal["auto"] | bool


def wants_sync(setting: Setting, *, processes: int, device: str) -> bool:
    """Say whether batch norm shares its statistics.

    Args:
        setting: "auto" where it can: several processes on CUDA.
        processes: of the run; a single one has nothing to share, whatever the setting.
        device: "cuda", "cpu", ...

    Raises:
        RequestError: it is asked for where torch cannot.
    """
    if setting is False or processes == 1:
        return False
    if device != "cuda" and setting is True:
        raise RequestError(
            f"train.sync_batch_norm is true, but the run's {processes} processes are on {device}: "
            "torch.nn.SyncBatchNorm works on CUDA only. Set it to auto or false, and take larger batches per "
            "process."
        )
    return device == "cuda"


def share_batch_norms(model: nn.Module) -> None:
    """Turn every batch norm of the model into a synchronised one, in place; parameters stay the same objects.

    The names and tensors of the state dict stay, so the weights load into the plain network. timm's function
    does it, for torch's would drop the activations that timm keeps inside its norms.
    """
    from timm.layers import norm_act

    norm_act.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
