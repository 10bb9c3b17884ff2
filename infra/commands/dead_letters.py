"""`sensorhouse dead-letters`: what could not be taken, and publishing it again."""

from __future__ import annotations

import argparse
import getpass
import re
import sys
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.table import Table

from infra.commands import topics
from sensorhouse.errors import NotFound
from sensorhouse.settings import Settings
from sensors_io.replay import replay
from warehouse.database import connect
from warehouse.dead_letters import DeadLetter, Wanted, find, payload

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `dead-letters list`, `show` and `replay`."""
    command = commands.add_parser("dead-letters", help="what could not be taken, and publishing it again")
    kinds = command.add_subparsers(required=True, metavar="list|show|replay")
    listed = kinds.add_parser("list", help="dead letters, the newest first")
    _add_filters(listed)
    listed.set_defaults(run=lambda settings, options: list_them(settings, options, _console()))
    shown = kinds.add_parser("show", help="all of a message's dead letters, or one, with its bytes")
    _add_position(shown)
    shown.set_defaults(run=lambda settings, options: show(settings, options, _console()))
    replayed = kinds.add_parser("replay", help="publish to the same topic and partition again; what is equal stays one")
    _add_position(replayed, nargs="?")
    _add_filters(replayed)
    replayed.add_argument("--again", action="store_true", help="those that were replayed before, too")
    replayed.add_argument("--yes", action="store_true", help="don't ask")
    replayed.set_defaults(run=lambda settings, options: replay_them(settings, options, _console()))


def list_them(settings: Settings, options: argparse.Namespace, console: Console) -> int:
    """Print a line each."""
    with connect(settings.database_url) as connection:
        letters = find(connection, _wanted(settings, options), limit=options.limit)
    drawn = Table("topic", "partition", "offset", "index", "came", "bytes", "replayed", "reason", box=None)
    for one in letters:
        to = f"{one.replays}×, to {one.replayed_to[0]}/{one.replayed_to[1]}" if one.replayed_to else ""
        place = (one.topic, str(one.partition), str(one.offset), str(one.index))
        drawn.add_row(*place, f"{one.ingested_at:%Y-%m-%d %H:%M:%S}", str(one.size or 0), to, one.reason)
    if letters:
        console.print(drawn)
    else:
        console.print("no dead letters")
    return 0


def show(settings: Settings, options: argparse.Namespace, console: Console) -> int:
    """Print everything that is known of a message's dead letters."""
    with connect(settings.database_url) as connection:
        letters = find(connection, _wanted(settings, options))
        if not letters:
            raise NotFound("there is no dead letter at this position")
        for letter in reversed(letters):
            for line in _told(letter):
                console.print(line, markup=False)
            if letter.size is not None:
                console.print(payload(connection, letter).decode(errors="backslashreplace"), markup=False)
    return 0


def replay_them(settings: Settings, options: argparse.Namespace, console: Console) -> int:
    """Publish them again; 1 when the answer is no."""
    with connect(settings.database_url) as connection:
        found = find(connection, _wanted(settings, options), limit=options.limit)
    letters = [letter for letter in found if letter.size is not None]
    if not letters:
        console.print("nothing to replay" if not found else "nothing to replay: their bytes were not kept")
        return 0
    if not options.yes and not _agreed(console, len(letters)):
        console.print("nothing was changed")
        return 1
    # The oldest first, as they came.
    done = replay(settings, letters[::-1], replayed_by=getpass.getuser())
    console.print(f"{len(done):,} dead letters were published again; the next drain takes them")
    return 0


def _wanted(settings: Settings, options: argparse.Namespace) -> Wanted:
    given = vars(options)
    topic = given.get("topic_of") or given.get("topic")
    at = given.get("offset") is not None
    # One position is meant as it is said; a filter leaves out what was replayed already.
    unreplayed = "again" in given and not options.again and not at
    return Wanted(
        topic=topics.feed_of(settings, topic).topic if topic else None,
        partition=given.get("partition"),
        offset=given.get("offset"),
        index=given.get("index"),
        reason=given.get("reason"),
        since=given.get("since"),
        replayed=False if unreplayed else None,
    )


def _add_position(command: argparse.ArgumentParser, nargs: str | None = None) -> None:
    command.add_argument("topic", nargs=nargs)
    command.add_argument("partition", type=int, nargs=nargs)
    command.add_argument("offset", type=int, nargs=nargs)
    command.add_argument("index", type=int, nargs="?", help="of one reading; -1 for a whole message")


def _add_filters(command: argparse.ArgumentParser) -> None:
    command.add_argument("--topic", dest="topic_of", metavar="TOPIC")
    command.add_argument("--reason", help="a part of it")
    command.add_argument("--since", type=_since, help="30m, 24h, 7d, or a time as 2026-11-20T12:00")
    command.add_argument("--limit", type=int, default=100, help="at most so many (100)")


def _since(text: str) -> datetime:
    if ago := re.fullmatch(r"(\d+)([mhd])", text):
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _told(letter: DeadLetter) -> list[str]:
    where = f"{letter.topic}[{letter.partition}] offset {letter.offset} index {letter.index}"
    known = {
        "reason": letter.reason,
        "came": letter.ingested_at.isoformat(),
        "topic id": letter.topic_id,
        "key": letter.key.decode(errors="backslashreplace") if letter.key is not None else None,
        "content type": letter.content_type,
        "upload": letter.upload_id,
        "replayed": _replayed(letter),
    }
    return [where, *(f"  {name}: {value}" for name, value in known.items() if value is not None)]


def _replayed(letter: DeadLetter) -> str | None:
    if not letter.replayed_to or not letter.replayed_at:
        return None
    partition, offset = letter.replayed_to
    return f"{letter.replays} times, last on {letter.replayed_at.isoformat()} to partition {partition} offset {offset}"


def _agreed(console: Console, count: int) -> bool:
    try:
        return console.input(f"Publish {count:,} dead letters again? Type yes: ").strip() == "yes"
    except EOFError:
        return False


def _console() -> Console:
    # Into a file or another program, lines come whole.
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)
