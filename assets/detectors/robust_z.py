"""The robust z-score: how far a value lies from its own sensor's past."""

from __future__ import annotations

import polars as pl

SERIES = ("sensor_id", "metric")
# Makes the median absolute deviation of a normal distribution its standard deviation.
_MAD_TO_SIGMA = 1.4826


def baselines(past: pl.DataFrame, *, min_readings: int = 30) -> pl.DataFrame:
    """Per sensor and metric: `median` and `sigma` (1.4826 times the median absolute deviation) of `value`.

    A series with fewer than `min_readings`, or whose values don't vary, is left out.
    """
    median = pl.col("value").median().over(SERIES)
    return (
        past.select(*SERIES, "value", deviation=(pl.col("value") - median).abs())
        .group_by(SERIES)
        .agg(
            median=pl.col("value").median(),
            sigma=_MAD_TO_SIGMA * pl.col("deviation").median(),
            readings=pl.len(),
        )
        .filter(pl.col("readings") >= min_readings, pl.col("sigma") > 0)
        .drop("readings")
    )


def robust_z(readings: pl.DataFrame, past: pl.DataFrame, *, min_readings: int = 30) -> pl.DataFrame:
    """Add `median`, `sigma` and `score`: each value's signed distance from its series' past median, in sigmas.

    All three are null where the past is too short or doesn't vary: "not judged" must not read as "normal".
    Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993).
    """
    return readings.join(
        baselines(past, min_readings=min_readings), on=SERIES, how="left", maintain_order="left"
    ).with_columns(score=(pl.col("value") - pl.col("median")) / pl.col("sigma"))
