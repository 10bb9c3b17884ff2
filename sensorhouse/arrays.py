"""Arrays of numpy as series of polars, in several threads at once.

Polars imports numpy when it first meets an array, and breaks when two threads meet their first at the same moment.
Whoever makes series of arrays imports this, and with it numpy before any thread begins.
"""

from __future__ import annotations

import numpy as np
import polars as pl

pl.Series(np.empty(0))
