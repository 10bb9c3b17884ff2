"""What the commands tell of topics: lag, lost ranges and what to type, and topics that were made anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.table import Table

from sensorhouse.errors import DependencyDown, NotFound
from sensorhouse.settings import Settings
from sensors_io.feeds import Feed, orders_feed, readings_feed
from sensors_io.topic_states import TopicState, lost_range, topic_state
from warehouse.earlier_topics import EarlierTopic


def feeds(settings: Settings) -> tuple[Feed, ...]:
    """Every drained topic's tables; nothing is decoded with these."""
    return orders_feed(settings), readings_feed(settings, sensor_types=())


def feed_of(settings: Settings, topic: str) -> Feed:
    """The feed of a topic, by Kafka's name for it or ours; raises `NotFound`."""
    for feed in feeds(settings):
        if topic in (feed.topic, feed.name):
            return feed
    raise NotFound(f"no topic {topic} is drained: there are {', '.join(feed.topic for feed in feeds(settings))}")


def states(settings: Settings) -> dict[str, TopicState | DependencyDown]:
    """Each drained topic's state, or why it is not known."""
    found: dict[str, TopicState | DependencyDown] = {}
    for feed in feeds(settings):
        try:
            found[feed.topic] = topic_state(settings, feed.topic)
        except DependencyDown as error:
            found[feed.topic] = error
    return found


def table(found: dict[str, TopicState | DependencyDown]) -> Table:
    """One line per topic."""
    drawn = Table("topic", "partitions", "lag", "drain", "stopped", box=None, pad_edge=False)
    for name, state in found.items():
        if isinstance(state, DependencyDown):
            drawn.add_row(name, "", "[red]unknown[/]", "", "")
            continue
        stopped = f"[red]{', '.join(map(str, state.stopped))}[/]" if state.stopped else ""
        drain = "at work" if state.lag.is_draining else "rests"
        drawn.add_row(name, str(len(state.lag.partitions)), f"{state.lag.messages:,}", drain, stopped)
    return drawn


def remarks(found: dict[str, TopicState | DependencyDown]) -> Iterator[str]:
    """Whatever is out of the ordinary, a line each: what happened, and what to do."""
    for name, state in found.items():
        if isinstance(state, DependencyDown):
            yield f"{name}: {state}"
            continue
        yield from gaps(name, state)
        for earlier in state.earlier:
            yield _made_anew(name, earlier)


def gaps(topic: str, state: TopicState) -> Iterator[str]:
    """The partitions that wait for a person, and the ranges that were accepted."""
    for partition, at in state.stopped.items():
        remedy = f"`sensorhouse gaps accept {topic} {partition}` goes on behind them, and keeps a record"
        if at.next_offset > at.high_watermark:
            remedy = "its offsets would be used again: make the topic anew, what was read stays"
        yield f"{topic}[{partition}] is stopped: {lost_range(at)}. {remedy}"
    for one in state.accepted:
        yield (
            f"{topic}[{one.partition}]: {one.table} lacks offsets {one.start:,} to {one.end:,} ({one.reason}),"
            f" accepted by {one.accepted_by} on {one.accepted_at:%Y-%m-%d %H:%M}"
        )


def has_stopped(found: Iterable[TopicState | DependencyDown]) -> bool:
    """Whether a partition waits for a person."""
    return any(state.stopped for state in found if isinstance(state, TopicState))


def _made_anew(topic: str, earlier: EarlierTopic) -> str:
    read = ", ".join(
        f"{partition} to {at.next_offset:,} of {'unknown' if at.end is None else f'{at.end:,}'}"
        for partition, at in earlier.partitions.items()
    )
    unread = f"{earlier.unread:,} offsets were never read" if earlier.unread else "nothing is known to be lost"
    return (
        f"{topic} was made anew: the topic {earlier.topic_id} of that name was last read on"
        f" {earlier.last_read_at:%Y-%m-%d %H:%M}, partition {read}; {unread}"
    )
