"""The period of a series, from its autocorrelation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# More points move the peak by nothing and cost time.
_POINTS = 20_000
_LAGS = 400
# Shorter lags are smoothness, longer ones mostly chance.
_SHORTEST = 6
_LONGEST = 300


def find_period(values: npt.NDArray[np.float64], default: int) -> int:
    """The lag of the autocorrelation's highest peak, or `default` where that lies outside 6 … 300.

    TSB-AD's rule for windows (Liu and Paparrizos, The Elephant in the Room, 2024), over finite values.
    """
    head = values[:_POINTS] - values[:_POINTS].mean()
    # Twice as long, so that the end does not meet the beginning.
    size = 1 << (2 * len(head)).bit_length()
    spectrum = np.fft.rfft(head, size)
    curve = np.fft.irfft(spectrum * np.conj(spectrum), size)[: min(_LAGS, len(head) - 1) + 1]
    lags = np.arange(4, len(curve) - 1)
    peaks = lags[(curve[lags] > curve[lags - 1]) & (curve[lags] > curve[lags + 1])]
    if len(peaks) == 0:
        return default
    highest = int(peaks[np.argmax(curve[peaks])])
    return highest if _SHORTEST <= highest <= _LONGEST else default
