"""The parts' logs: where they are, kept from growing for ever, and read together."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from infra.local import places
from sensorhouse.settings import Settings

LARGEST_BYTES = 10 << 20
KEPT = 2


def file(settings: Settings, name: str) -> Path:
    """The log of a part."""
    return places.logs(settings) / f"{name}.log"


def rotate(log: Path) -> None:
    """Set a long log aside, before its part starts; the oldest is dropped."""
    if not log.exists() or log.stat().st_size < LARGEST_BYTES:
        return
    for number in range(KEPT, 0, -1):
        older = log.with_suffix(f".log.{number}")
        newer = log.with_suffix(f".log.{number - 1}") if number > 1 else log
        if newer.exists():
            newer.rename(older)


def last_lines(log: Path, count: int) -> list[str]:
    """The end of a log."""
    if not log.exists():
        return []
    with log.open("rb") as opened:
        opened.seek(max(0, log.stat().st_size - count * 400))
        return opened.read().decode(errors="replace").splitlines()[-count:]


def follow(files: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Every line written from now on, as it comes; a log that is set aside is opened anew."""
    read = {file: file.stat().st_size if file.exists() else 0 for file in files}
    while True:
        for file in files:
            size = file.stat().st_size if file.exists() else 0
            if size < read[file]:
                read[file] = 0
            if size > read[file]:
                with file.open("rb") as opened:
                    opened.seek(read[file])
                    chunk = opened.read()
                whole = chunk[: chunk.rfind(b"\n") + 1]
                read[file] += len(whole)
                yield from ((file, line) for line in whole.decode(errors="replace").splitlines())
        time.sleep(0.2)
