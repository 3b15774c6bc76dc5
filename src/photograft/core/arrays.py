"""Types of arrays, by what is in them; their shapes are told where they are used."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

#: Of any type.
Array = npt.NDArray[Any]
Booleans = npt.NDArray[np.bool_]
#: Features, weights, maps, probabilities: whatever networks and heads compute.
Floats = npt.NDArray[np.float32]
#: Of statistics, and what is solved.
Doubles = npt.NDArray[np.float64]
#: Class indices, or the numbers of groups.
Labels = npt.NDArray[np.int64]
#: Places in other arrays.
Indices = npt.NDArray[np.intp]
#: In [0, 255].
Pixels = npt.NDArray[np.uint8]
