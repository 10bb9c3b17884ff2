"""`make fuzz`: a million hostile messages through the codecs, in processes that may die, hang or eat memory.

Each worker writes the seed of a batch before it decodes it; what stops a worker is cut down to the message that does it
and saved below `tests/fuzz/found`.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz.batches import batch_of, check, part_of

FOUND = Path(__file__).parent / "found"
SIZE = 500
BATCH_MAY_TAKE_S = 60
_BATCHES_PER_WORKER = 40
_MEMORY = 4 << 30


def main() -> int:
    """Fuzz, tell how it went; 1 when anything was found."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--seed", default=str(random.randrange(1 << 32)))
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--max-s", type=float, default=3600)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only:
        check(*part_of(asked.one, SIZE, [int(at) for at in asked.only.split(",")]))
        return 0
    if asked.one:
        work(asked.one)
        return 0
    return run(asked.seed, asked.cases, asked.workers, asked.max_s)


def run(seed: str, cases: int, workers: int, max_s: float) -> int:
    """Give batches to workers until all are decoded."""
    print(f"seed {seed}: {cases:,} cases in batches of {SIZE}, {workers} workers", flush=True)
    began = time.monotonic()
    todo = list(range(0, -(-cases // SIZE), _BATCHES_PER_WORKER))[::-1]
    done, found = 0, 0
    running: dict[subprocess.Popen[str], tuple[int, float]] = {}
    while todo or running:
        while todo and len(running) < workers and time.monotonic() - began < max_s:
            first = todo.pop()
            running[_worker(f"{seed}:{first}:{_BATCHES_PER_WORKER}")] = (first, time.monotonic())
        if not running:
            break
        time.sleep(0.05)
        for process, (first, started) in list(running.items()):
            if process.poll() is None and time.monotonic() - started < BATCH_MAY_TAKE_S * 10:
                continue
            del running[process]
            process.kill()
            last = process.communicate()[0].split()
            if process.returncode == 0:
                done += _BATCHES_PER_WORKER * SIZE
                print(f"{done:>12,} cases, {done / (time.monotonic() - began):,.0f}/s", flush=True)
            else:
                found += 1
                where = last[-1] if last else f"{seed}:{first}"
                print(f"FOUND: worker ended with {process.returncode} at {where}: {_cut_down(where)}", flush=True)
    print(f"{done:,} cases, seed {seed}, {time.monotonic() - began:.0f} s, {found} found", flush=True)
    return 1 if found or done < cases else 0


def work(order: str) -> None:
    """Decode batches, each named before it is begun."""
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    seed, first, count = order.rsplit(":", 2)
    for number in range(int(first), int(first) + int(count)):
        print(f"{seed}:{number}", flush=True)
        check(*batch_of(f"{seed}:{number}", SIZE))


def _worker(order: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.fuzz", "--one", order]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | {"POLARS_MAX_THREADS": "1"}, text=True)


def _cut_down(where: str) -> str:
    """The smallest part of a batch that still stops a process, saved."""
    cases, _ = batch_of(where, SIZE)
    kept = list(range(len(cases)))
    step = len(kept) // 2
    while step:
        for start in range(0, len(kept), step):
            fewer = kept[:start] + kept[start + step :]
            if fewer and _stops(where, fewer):
                kept = fewer
                break
        else:
            step //= 2
    FOUND.mkdir(exist_ok=True)
    name = where.replace(":", "-")
    for at in kept[:10]:
        message, content_type = cases[at]
        (FOUND / f"{name}-{at}").write_bytes(content_type.encode() + b"\n" + message)
    return f"{len(kept)} messages, {FOUND / name}-*"


def _stops(where: str, kept: list[int]) -> bool:
    """Whether decoding these of a batch fails, in a process of its own."""
    command = [sys.executable, "-m", "tests.fuzz", "--one", where, "--only", ",".join(map(str, kept))]
    try:
        return subprocess.run(command, capture_output=True, timeout=BATCH_MAY_TAKE_S, check=False).returncode != 0
    except subprocess.TimeoutExpired:
        return True


if __name__ == "__main__":
    sys.exit(main())
