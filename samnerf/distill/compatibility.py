"""What nerfstudio 1.1.5 needs under newer releases of its dependencies. Importing this module is enough.

Since torch 2.6 `torch.load` reads tensors and little else, and nerfstudio's checkpoints hold NumPy numbers in the state
of their schedulers: without these names, resuming, evaluating and rendering fail.
"""

import warnings

import numpy as np
import torch

try:
    from numpy._core.multiarray import scalar
except ImportError:  # NumPy 1
    from numpy.core.multiarray import scalar

# Remarks of torch on nerfstudio, at every start: cameras are indexed with lists, and four workers load images however
# few cores there are.
warnings.filterwarnings("ignore", message="Using a non-tuple sequence for multidimensional indexing")
warnings.filterwarnings("ignore", message="This DataLoader will create")

torch.serialization.add_safe_globals([scalar, np.dtype, np.dtypes.Float64DType])
