"""Full-resolution work without full-resolution floats: the step from logits to losses, labels and counts.

Import from the modules, so that each costs only what it needs:

    terrazzo.kernels.cross_entropy   upsample_cross_entropy   needs torch
    terrazzo.kernels.argmax          upsample_argmax          needs torch
    terrazzo.kernels.region          upsample_region_sums     needs torch
    terrazzo.kernels.confusion       count_confusion          numpy only

The same names can be taken from this package; torch is then imported on first use. On labels alone works

    terrazzo.kernels.clusters        drop_clusters, keep_largest   numpy and scipy only
"""

from typing import TYPE_CHECKING, Any

from terrazzo.kernels.confusion import count_confusion

if TYPE_CHECKING:
    from terrazzo.kernels.argmax import upsample_argmax
    from terrazzo.kernels.cross_entropy import upsample_cross_entropy
    from terrazzo.kernels.region import upsample_region_sums

__all__ = ["count_confusion", "upsample_argmax", "upsample_cross_entropy", "upsample_region_sums"]


def __getattr__(name: str) -> Any:
    """Import the kernels that need torch on first use."""
    if name == "upsample_argmax":
        from terrazzo.kernels.argmax import upsample_argmax

        return upsample_argmax
    if name == "upsample_cross_entropy":
        from terrazzo.kernels.cross_entropy import upsample_cross_entropy

        return upsample_cross_entropy
    if name == "upsample_region_sums":
        from terrazzo.kernels.region import upsample_region_sums

        return upsample_region_sums
    raise AttributeError(f"module 'terrazzo.kernels' has no attribute {name!r}")
