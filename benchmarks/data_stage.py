"""The data stage on many short rows: CPU time, memory, and how both grow.

    python benchmarks/data_stage.py 20000 100000 1000000

For each size a file of short rows is made (8 to 16 words; of ten rows one nearly repeats another,
some hold personal data or a key), and a process of its own takes it through check, duplicates,
personal data, secrets, contamination against 500 golden rows, and the split. Printed are CPU
seconds, wall seconds, peak memory, and the cost a row against the size before.
"""

from __future__ import annotations

import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GOLDEN = 500
_CODE = "import sys; from benchmarks.data_stage import measure; measure(sys.argv[1], sys.argv[2])"


def main() -> None:
    """Measure each size named on the command line."""
    sizes = [int(argument) for argument in sys.argv[1:]] or [20_000]
    before = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            path, golden = Path(folder) / "rows.jsonl", Path(folder) / "golden.jsonl"
            write(path, size, seed=size)
            write(golden, GOLDEN, seed=1)
            done = subprocess.run(
                [sys.executable, "-c", _CODE, str(path), str(golden)],
                cwd=Path(__file__).resolve().parents[1],
                capture_output=True,
                text=True,
                check=True,
            )
            found = json.loads(done.stdout.splitlines()[-1])
            cost = found["cpu"] / size * 1e6
            growth = f"{cost / before:.2f} x" if before else "-"
            print(
                f"{size:>9,} rows  {found['cpu']:7.1f} CPU-s  {found['wall']:7.1f} s  "
                f"{found['mib']:6,.0f} MiB  {cost:5.0f} us a row  {growth}  {found['counts']}",
                flush=True,
            )
            before = cost


def measure(path: str, golden: str) -> None:
    """Run the stage on one file; print what it took as JSON."""
    from engine.base.project import DataSettings
    from engine.data.check import check
    from engine.data.divide.split import split

    began, cpu = time.perf_counter(), time.process_time()
    report = check([Path(path)], Path(golden), DataSettings(sources=()))
    cleaned = report.cleaned
    divided = split(
        cleaned.rows,
        cleaned.related,
        test=0.15,
        validation=0.1,
        seed=42,
        absorbed=cleaned.absorbed,
    )
    counts = {name: len(rows) for name, rows in divided.splits.items()}
    counts |= {"kept": len(cleaned.rows), "merged": cleaned.count("near duplicate")}
    counts |= {"related": cleaned.count("related"), "leaks": cleaned.count("leak")}
    usage = resource.getrusage(resource.RUSAGE_SELF)
    found = {
        "cpu": time.process_time() - cpu,
        "wall": time.perf_counter() - began,
        "mib": usage.ru_maxrss / 1024,
        "counts": counts,
    }
    print(json.dumps(found))


def write(path: Path, count: int, seed: int) -> None:
    """Write a file of short rows; the words are those of Python's own documentation."""
    chance = random.Random(seed)
    words = _words()
    weights = [1 / (rank + 20) for rank in range(len(words))]
    bank = chance.choices(words, weights, k=count * 13)
    labels = ("refund", "login", "delivery", "invoice", "other")
    recent: list[str] = []
    with path.open("w", encoding="utf-8") as stream:
        for number in range(count):
            size = chance.randint(8, 16)
            text = " ".join(bank[number * 12 : number * 12 + size]).capitalize()
            draw = chance.random()
            if draw < 0.1 and recent:
                text = _edited(chance.choice(recent), chance, words)
            elif draw < 0.13:
                text += f", write to {chance.choice(words)}{number}@example.net"
            elif draw < 0.135:
                text += f" key ghp_{chance.getrandbits(180):036x}"[:200]
            recent = [*recent[-200:], text]
            label = labels[len(text) % len(labels)]
            row = {"prompt": text, "completion": label, "scenario": label}
            stream.write(json.dumps(row) + "\n")


def _edited(text: str, chance: random.Random, words: list[str]) -> str:
    parts = text.split()
    place = chance.randrange(len(parts))
    kind = chance.randrange(4)
    if kind == 0:
        parts[place] = chance.choice(words)
    elif kind == 1:
        del parts[place]
    elif kind == 2:
        return text.upper()
    else:
        parts[place] = parts[place][::-1]
    return " ".join(parts)


def _words() -> list[str]:
    import argparse
    import asyncio
    import logging
    import pathlib
    import statistics
    import typing
    import unittest

    modules = (argparse, asyncio, logging, pathlib, statistics, typing, unittest, random, re)
    text = " ".join(
        str(getattr(item, "__doc__", ""))
        for module in modules
        for holder in (module, *vars(module).values())
        for item in (holder, *(vars(holder).values() if isinstance(holder, type) else ()))
    )
    return sorted(set(re.findall(r"[a-z]{3,12}", text.lower())))


if __name__ == "__main__":
    main()
