"""Earlier topics of the same name: how far each was read, and where it was last seen to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import psycopg


@dataclass(frozen=True)
class EarlierPartition:
    """How far every table had read it; `end` is null when nobody saw where it ended."""

    next_offset: int
    end: int | None

    @property
    def unread(self) -> int:
        """Offsets that were seen on the log, and never read."""
        return max(0, self.end - self.next_offset) if self.end is not None else 0


@dataclass(frozen=True)
class EarlierTopic:
    """A topic that is gone, or lies on another cluster, whose name another one has now."""

    topic_id: str
    last_read_at: datetime
    partitions: Mapping[int, EarlierPartition]

    @property
    def unread(self) -> int:
        """The partitions' sum."""
        return sum(partition.unread for partition in self.partitions.values())


def note_ends(connection: psycopg.Connection, topic_id: str, ends: Mapping[int, int]) -> None:
    """Remember where a topic's partitions end now; writes nothing when that is known."""
    connection.execute(
        """
        insert into log_ends (topic_id, partition, high_watermark)
        select %s, partition, high_watermark
        from unnest(%s::integer[], %s::bigint[]) as now (partition, high_watermark)
        order by partition
        on conflict (topic_id, partition) do update set
            high_watermark = excluded.high_watermark,
            seen_at = now()
        where log_ends.high_watermark <> excluded.high_watermark
        """,
        [topic_id, list(ends), list(ends.values())],
    )


def earlier_topics(connection: psycopg.Connection, name: str, topic_id: str) -> list[EarlierTopic]:
    """The topics that had this name before the one with this id, the newest first."""
    rows = connection.execute(
        """
        select
            l.topic_id,
            max(l.updated_at) over (partition by l.topic_id) as last_read_at,
            l.partition,
            least(l.next_offset, coalesce(m.next_offset, l.next_offset)),
            e.high_watermark
        from ledger as l
        left join lake_marks as m using (topic_id, partition)
        left join log_ends as e using (topic_id, partition)
        where l.topic = %s and l.topic_id <> %s
        order by last_read_at desc, l.topic_id, l.partition
        """,
        [name, topic_id],
    )
    found: dict[tuple[str, datetime], dict[int, EarlierPartition]] = {}
    for earlier_id, read_at, partition, next_offset, end in rows:
        found.setdefault((earlier_id, read_at), {})[partition] = EarlierPartition(next_offset, end)
    return [EarlierTopic(*key, partitions) for key, partitions in found.items()]
