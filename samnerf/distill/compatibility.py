"""What nerfstudio 1.1.5 needs under newer releases of its dependencies. Importing this module is enough.

Since torch 2.6 `torch.load` reads tensors and little else, and nerfstudio's checkpoints hold NumPy numbers in the state
of their schedulers: without these names, resuming, evaluating and rendering fail.

And what its programs lack: a `SamNerfError` that ends `ns-train` and the like is one line, as in `samnerf`'s own
commands. With SAMNERF_DEBUG set, the traceback comes too.
"""

import os
import sys
import warnings
from pathlib import Path
from types import TracebackType

import numpy as np
import torch

from samnerf.errors import SamNerfError

try:
    from numpy._core.multiarray import scalar
except ImportError:  # NumPy 1
    from numpy.core.multiarray import scalar

# Remarks of torch on nerfstudio, at every start: cameras are indexed with lists, and four workers load images however
# few cores there are.
warnings.filterwarnings("ignore", message="Using a non-tuple sequence for multidimensional indexing")
warnings.filterwarnings("ignore", message="This DataLoader will create")

torch.serialization.add_safe_globals([scalar, np.dtype, np.dtypes.Float64DType])

_usual_excepthook = sys.excepthook


def one_line(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """What Python calls with an exception that nobody caught."""
    if issubclass(kind, SamNerfError) and not os.environ.get("SAMNERF_DEBUG"):
        print(f"{Path(sys.argv[0]).name}: {' '.join(str(error).splitlines())}", file=sys.stderr)
    else:
        _usual_excepthook(kind, error, traceback)


sys.excepthook = one_line
