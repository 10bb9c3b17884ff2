"""A key's episodes: those just found, those that are still so, and what becomes of the online detector's."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import polars as pl

from assets.series import SERIES

# The batch detector may take these back; the others are facts, whatever the curve's usual shape.
_WITHDRAWABLE = ("spike", "shift", "drift", "noise", "shape")
_SETTLED = (*_WITHDRAWABLE, "stuck")

# A series that was examined: from when to when it was judged; null where it has too little past.
EXAMINED = pl.Schema(
    {
        "sensor_id": pl.String(),
        "metric": pl.String(),
        "unit": pl.String(),
        "first": pl.Datetime("us", "UTC"),
        "last": pl.Datetime("us", "UTC"),
        "near": pl.Duration("us"),
    }
)


def merged(before: pl.DataFrame, found: pl.DataFrame, examined: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """All EPISODES of a key after `found` batch episodes of the series that were `examined` (EXAMINED)."""
    is_batch = pl.col("tier") == "batch"
    batch, online = before.filter(is_batch), before.filter(~is_batch)
    news = named(found, batch.join(examined, on=SERIES, how="semi"))
    kept = batch.join(examined, on=SERIES, how="anti")
    return pl.concat([kept, news, _told(online, news, examined, at)]).sort("started_at", "episode_id")


def _told(online: pl.DataFrame, batch: pl.DataFrame, examined: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """The online episodes with what is said of them now; of series that were not examined, with what was said."""
    judged = examined.drop_nulls()
    mine = online.join(judged, on=SERIES, how="semi")
    now = mine.join(settle(online, batch, judged), on="episode_id", how="left", suffix="_now", maintain_order="left")
    is_same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_now")) for name in ("verdict", "settled_by"))
    told = now.with_columns(
        settled_at=pl.when(is_same).then("settled_at").when(pl.col("verdict_now").is_not_null()).then(pl.lit(at)),
        verdict="verdict_now",
        settled_by="settled_by_now",
    ).select(online.columns)
    return pl.concat([online.join(judged, on=SERIES, how="anti"), told])


def settle(online: pl.DataFrame, batch: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
    """`verdict` and `settled_by` of the online episodes that the batch detector has something to say of, by episode_id.

    `judged` (EXAMINED) are the series that were judged, from their `first` reading to their `last`. Episodes at most
    `near` apart are of the same event: `confirmed` if one of the batch's is of the same kind, else `corrected`. What
    the batch detector did not see at all is `withdrawn`, unless it is a fact, like a value out of spec.
    """
    asked = (
        online.filter(pl.col("kind").is_in(_SETTLED))
        .join(judged, on=SERIES)
        .filter(pl.col("started_at").is_between("first", "last"))
        .select("episode_id", *SERIES, "kind", "started_at", "ended_at", "near")
    )
    theirs = batch.select(
        *SERIES, batch_id="episode_id", batch_kind="kind", batch_start="started_at", batch_end="ended_at"
    )
    met = (
        asked.join(theirs, on=SERIES)
        .filter(
            pl.col("batch_start") <= pl.col("ended_at") + pl.col("near"),
            pl.col("batch_end") >= pl.col("started_at") - pl.col("near"),
        )
        .with_columns(same=pl.col("kind") == pl.col("batch_kind"))
        .sort("same", (pl.col("batch_start") - pl.col("started_at")).abs(), descending=[True, False])
        .unique("episode_id", keep="first", maintain_order=True)
    )
    verdict = pl.when("same").then(pl.lit("confirmed")).otherwise(pl.lit("corrected"))
    unseen = asked.join(met, on="episode_id", how="anti").filter(pl.col("kind").is_in(_WITHDRAWABLE))
    return pl.concat(
        [
            met.select("episode_id", verdict=verdict, settled_by="batch_id"),
            unseen.select("episode_id", verdict=pl.lit("withdrawn"), settled_by=pl.lit(None, pl.String())),
        ]
    ).sort("episode_id")


def named(found: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """`found`, in order of its start, with `episode_id` and `noticed_at` of the episodes `before` that it overlaps.

    Those that are new have a name that is made of what they are: found again from nothing, they are named the same.
    """
    left = {key: frame.to_dicts() for key, frame in before.partition_by(list(SERIES), as_dict=True).items()}
    taken = set(before.get_column("episode_id"))
    names = []
    for row in found.iter_rows(named=True):
        series = tuple(row[name] for name in SERIES)
        others = left.get(series, [])
        same = next((one for one in others if _overlap(one, row)), None)
        if same:
            others.remove(same)
        name = same["episode_id"] if same else _new_name(series, row["started_at"], taken)
        names.append((name, (same or row)["noticed_at"]))
    schema = {"episode_id": pl.String(), "noticed_at": found.schema["noticed_at"]}
    return found.with_columns(pl.DataFrame(names, schema, orient="row"))


def _overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(one["started_at"] <= other["ended_at"] and one["ended_at"] >= other["started_at"])


def _new_name(series: tuple[str, ...], started_at: datetime, taken: set[str]) -> str:
    words = "\n".join((*series, started_at.isoformat()))
    # One that has since grown backwards may have the name of where it once began.
    while (name := str(uuid5(NAMESPACE_URL, words))) in taken:
        words += "\n"
    taken.add(name)
    return name
