"""Starting a part and waiting until it answers; ending it and whatever it started."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

from infra.local import processes
from infra.local.part import Part
from sensorhouse.errors import PartDied

LINES_TOLD = 12


def launch(part: Part, log: Path, *, dies_with_us: signal.Signals | None = None) -> subprocess.Popen[bytes]:
    """Prepare and start a part; if we are killed, it is told to stop as usual unless `dies_with_us` says otherwise."""
    assert part.command, f"{part.name} runs elsewhere"
    try:
        part.prepare()
        command = part.command()
    except subprocess.CalledProcessError as error:
        raise PartDied(f"{part.name} could not be prepared:\n{_last_lines(error.stdout)}") from error
    return processes.start(
        command,
        log=log,
        environment=part.environment(),
        folder=part.folder,
        owner=part.owner(),
        dies_with_us=dies_with_us or part.stop_signal,
        niceness=part.niceness,
    )


def wait_ready(part: Part, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the part answers; raises `PartDied`, with the end of its log, when it ends or takes too long."""
    since, deadline = time.time(), time.monotonic() + part.ready_within_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise PartDied(f"{part.name} ended with status {process.returncode}; {told(log)}")
        if part.is_ready(since):
            return
        time.sleep(0.1)
    raise PartDied(f"{part.name} runs but did not answer within {part.ready_within_s:.0f} s; {told(log)}")


def stop(part: Part, process: subprocess.Popen[bytes]) -> None:
    """End a part and every process of its session, by force if it takes too long."""
    everyone = processes.session(process.pid)
    if process.poll() is None:
        process.send_signal(part.stop_signal)
        try:
            process.wait(part.stop_within_s)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
    processes.send(everyone, signal.SIGKILL)
    processes.wait_ended(everyone, within_s=2)


def told(log: Path) -> str:
    """The end of a log, for a message."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return f"{log} ends:\n{_last_lines(text)}"


def _last_lines(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines()[-LINES_TOLD:]) or "    (nothing)"
