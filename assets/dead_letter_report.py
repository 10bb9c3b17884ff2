"""What the asset of dead letters tells: how many for which reason, and whether their share has jumped."""

from datetime import timedelta
from typing import Any

import dagster as dg

from warehouse.database import connect
from warehouse.dead_letters import ReasonCount, Share, by_reason, share

CHECK = "few_dead_letters"
LATELY = timedelta(hours=1)
BEFORE = timedelta(days=7)
# Fewer are chance; a smaller share is what senders always get wrong.
_FEWEST = 10
_USUAL_SHARE = 0.01
_TIMES = 3


def metadata(url: str, topic: str) -> dict[str, Any]:
    """Counts by reason, of all topics, and what to type."""
    with connect(url) as connection:
        counted = by_reason(connection)
    return {
        "topic": topic,
        "last_day": sum(one.last_day for one in counted),
        "ever": sum(one.ever for one in counted),
        "by_reason": dg.MetadataValue.md(table(counted)),
        "look": dg.MetadataValue.md("`sensorhouse dead-letters list --since 24h`, then `show` or `replay`"),
    }


def table(counted: list[ReasonCount]) -> str:
    """The reasons as a Markdown table."""
    if not counted:
        return "None."
    rows = (f"| {one.topic} | {_cell(one.reason)} | {one.last_day:,} | {one.ever:,} |" for one in counted)
    return "\n".join(("| topic | reason | last 24 h | all |", "| --- | --- | ---: | ---: |", *rows))


def has_jumped(lately: Share, before: Share) -> bool:
    """Whether so many are dead now that somebody should look; `before` is what was usual."""
    return lately.dead >= _FEWEST and lately.of_all > max(_USUAL_SHARE, _TIMES * before.of_all)


def checked(url: str, topic_id: str, asset: str) -> dg.AssetCheckResult:
    """A warning when the share of a topic's dead letters has jumped within the last hour."""
    with connect(url) as connection:
        lately = share(connection, topic_id, since=LATELY)
        before = share(connection, topic_id, since=BEFORE, until=LATELY)
    told = f"{lately.of_all:.2%} within the last hour, {before.of_all:.2%} in the week before"
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=CHECK,
        passed=not has_jumped(lately, before),
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{told}; `sensorhouse dead-letters list --since 1h` tells which.",
        metadata={"share": lately.of_all, "usual_share": before.of_all, "dead_letters": lately.dead},
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
