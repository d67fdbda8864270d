"""Networks and weights of other libraries, as ours: same numbers out, and nothing of the other library in.

`from_module` takes a live module of torchvision, segmentation_models_pytorch or transformers; `from_file` a
state dict on disk, in the layout of an original repository; `from_hub` a model by its name on the hub, or in
a folder that `save_pretrained` wrote. Adding one = a function that returns
a `Translation` + a line in `modules/__init__.py` or `layouts/__init__.py` + a parity test.
"""

from terrazzo.models.foreign.file import from_file
from terrazzo.models.foreign.hub import HubModel, from_hub
from terrazzo.models.foreign.layouts import LAYOUTS
from terrazzo.models.foreign.module import from_module
from terrazzo.models.foreign.modules import MODULES

__all__ = ["LAYOUTS", "MODULES", "HubModel", "from_file", "from_hub", "from_module"]
