"""Duplicates at scale, and the same work with datasketch.

    python benchmarks/duplicates.py [--rows 100000 1000000]    # cost and memory of the sorting
    python benchmarks/duplicates.py --against datasketch       # both, on the same 50,000 rows

The rows are made up: sentences of common words, sentences of forms with other values, 2 % Chinese,
10 % near-duplicates (a typo, a word dropped, a word replaced), 3 % exact repeats. Prints CPU
microseconds a row of each phase, and memory above the rows' own; exits 1 when a limit is missed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import time
from bisect import bisect
from itertools import accumulate, pairwise
from pathlib import Path

from engine.data.alike import duplicates
from engine.data.alike.leakage import Golden
from engine.data.alike.normalise import Boilerplate, jaccard, normalise, question, shingles
from engine.data.rows import Row, make

CPU_SECONDS = 240.0  # for a million rows
GIGABYTES = 1.5  # above the rows, for a million
GROWTH = 1.15  # of the cost of a row, from the least to the most rows
TIMES_FASTER = 5.0  # than datasketch
LEAK_MICROSECONDS = 60.0  # a row, against 500 golden rows
STARTS = ["b", "br", "c", "d", "f", "g", "h", "l", "m", "n", "p", "pl", "r", "s", "st", "t", "v"]
SYLLABLES = [start + vowel for start in STARTS for vowel in "aeiou"]
ENDS = ["", "", "n", "r", "s", "t", "ng", "ck", "ly", "ing", "ed", "ment"]
FORMS = [
    "how do i change the {0} of my {1} before {2}",
    "the {0} that i ordered on {2} has not arrived and the {1} is wrong",
    "please tell me whether a {0} with {1} costs more than {2} a month",
    "can you write a short note to {2} about the {0} and the {1}",
    "what is the difference between a {0} and a {1} when it comes to {2}",
    "translate the sentence about the {0} near the {1} into {2}",
    "i was charged twice for {0} number {2} and want my {1} back",
    "give me three reasons why {0} matters to a {1} who lives in {2}",
]
CHINESE = (
    "我你他们的是在有这那一个不了人来到说要去会着没看好自己还时天过开出用什么怎样可以请帮查订单退货"
    "商品快递地址电话发票价格质量颜色"
)


def main() -> int:
    """Measure and print; return the exit code."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, nargs="+", default=[])
    arguments.add_argument("--against", choices=["datasketch"])
    arguments.add_argument(
        "--datasketch", type=Path, default=Path(tempfile.gettempdir()) / "datasketch"
    )
    options = arguments.parse_args()
    if options.against:
        return against_datasketch((options.rows or [50_000])[0], options.datasketch)
    costs = []
    good = True
    for count in options.rows or [100_000, 1_000_000]:
        # a process of its own for each size, so that no memory is left over
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            cost, memory = pool.apply(measure, (count,))
        costs.append(cost / count)
        good &= cost <= CPU_SECONDS * count / 1e6 and memory <= GIGABYTES * max(count / 1e6, 0.2)
    for one, other in pairwise(costs):
        print(f"growth of the cost of a row: {other / one:.2f} (limit {GROWTH})")
        good &= other <= GROWTH * one
    return int(not (good and measure_leaks()))


def measure_leaks(count: int = 20_000, golden: int = 500) -> bool:
    """Check rows against golden rows of the same kind; print the cost, return whether it fits."""
    rows, _ = made_up(count + golden, seed=2)
    hard, rows = rows[:golden], rows[golden:]
    start = time.process_time()
    index = Golden(hard, Boilerplate([question(row) for row in rows]))
    ready = time.process_time()
    leaks = sum(leak is not None for leak in index.leaks(rows))
    cost = 1e6 * (time.process_time() - ready) / count
    print(f"leaks: {cost:.1f} us a row (limit {LEAK_MICROSECONDS:.0f}), {ready - start:.2f} s once")
    print(f"  {leaks} of {count:,} rows leak one of {golden}")
    return cost <= LEAK_MICROSECONDS


def made_up(count: int, seed: int = 1) -> tuple[list[Row], list[tuple[int, int]]]:
    """Return rows, and which were planted as near-duplicates of which."""
    some = random.Random(seed)
    vocabulary = sorted({_word(some) for _ in range(20_000)})
    some.shuffle(vocabulary)
    weights = list(accumulate(1 / (n + 3) for n in range(len(vocabulary))))

    def word() -> str:
        return vocabulary[bisect(weights, some.random() * weights[-1])]

    rows: list[Row] = []
    planted: list[tuple[int, int]] = []
    for number in range(count):
        draw = some.random()
        answer = vocabulary[some.randrange(40)]
        if number > 10 and draw < 0.13:
            place = some.randrange(number)
            text, answer = rows[place].prompt, rows[place].completion
            if draw < 0.10:
                text = edited(text, ("typo", "drop", "replace")[number % 3], some, word())
                planted.append((place, number))
        elif draw < 0.15:
            text = "".join(some.choice(CHINESE) for _ in range(some.randint(28, 50)))
        elif draw < 0.40:
            values = [
                f"{word()} {word()}",
                f"{word()} {word()}",
                word() + str(some.randrange(9999)),
            ]
            text = some.choice(FORMS).format(*values)
        else:
            text = " ".join(word() for _ in range(some.randint(12, 20)))
        rows.append(make(text, answer, source=f"f:{number}"))
    return rows, planted


def edited(text: str, kind: str, some: random.Random, other: str) -> str:
    """Return the text with one word (of a text without blanks, one character) changed."""
    parts = text.split() if " " in text else list(text)
    place = some.randrange(len(parts))
    if kind == "typo":
        letters = list(parts[place])
        letters.insert(some.randrange(len(letters) + 1), some.choice("aeiou"))
        parts[place] = "".join(letters)
    elif kind == "drop":
        del parts[place]
    else:
        parts[place] = other if " " in text else some.choice(CHINESE)
    return (" " if " " in text else "").join(parts)


def _word(some: random.Random) -> str:
    return "".join(some.choices(SYLLABLES, k=some.choice((1, 2, 2, 3)))) + some.choice(ENDS)


def measure(count: int) -> tuple[float, float]:
    """Sort so many rows; print and return the CPU seconds and gigabytes above the rows."""
    rows, planted = made_up(count)
    size = sum(len(row.prompt.encode()) for row in rows) / count
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    marks: list[tuple[str, float, float]] = []

    def mark(name: str) -> None:
        peak = (_resident("VmHWM") - before) / 1e9
        marks.append((name, time.process_time(), peak))

    found = duplicates.sort(rows, mark)
    mark("")
    memory = (_resident("VmHWM") - before) / 1e9
    cost = marks[-1][1] - marks[0][1]
    print(f"{count:,} rows of {size:.0f} bytes: {cost:.1f} CPU-s, {memory:.2f} GB above the rows")
    for (name, start, _), (_, end, peak) in pairwise(marks):
        print(f"  {name:18} {1e6 * (end - start) / count:7.1f} us a row, peak {peak:.2f} GB")
    print(f"  kept {len(found.kept):,}, exact {len(found.exact):,}, near {len(found.near):,}, "
          f"conflicts {len(found.conflicts):,}, related {len(found.related):,}; "
          f"planted found {_found(found, rows, planted):.4f}")  # fmt: skip
    sys.stdout.flush()
    return cost, memory


def _resident(name: str) -> int:
    status = Path("/proc/self/status").read_text().split(name + ":")[1]
    return 1024 * int(status.split()[0])


def _found(found: duplicates.Sorted, rows: list[Row], planted: list[tuple[int, int]]) -> float:
    """Return the share of planted rows that were dropped or share a cluster with their origin."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = name = parent[parent[name]]
        return name

    pairs = [(one.id, other.id) for one, other in found.exact + found.near + found.conflicts]
    for one, other in pairs + found.related:
        parent[root(one)] = root(other)
    return sum(root(rows[a].id) == root(rows[b].id) for a, b in planted) / max(len(planted), 1)


def against_datasketch(count: int, folder: Path) -> int:
    """Let both find all pairs, verified by an exact Jaccard, in the same rows."""
    sys.path.append(str(folder))
    try:
        from datasketch import MinHash, MinHashLSH
    except ImportError:
        print(f"datasketch is not installed: pip install --target {folder} datasketch==2.0.0 scipy")
        return 2
    rows, planted = made_up(count)
    start = time.process_time()
    found = duplicates.sort(rows)
    ours = time.process_time() - start
    start = time.process_time()
    index = MinHashLSH(num_perm=128, params=(32, 4))
    pieces = [shingles(normalise(row.prompt)) for row in rows]
    sketches = MinHash.bulk([[p.encode() for p in each] for each in pieces], num_perm=128)
    pairs = set()
    for number, sketch in enumerate(sketches):
        for other in index.query(sketch):
            if jaccard(pieces[number], pieces[other]) >= duplicates.RELATED:
                pairs.add((other, number))
        index.insert(number, sketch, check_duplication=False)
    theirs = time.process_time() - start
    recall = sum(pair in pairs for pair in planted) / len(planted)
    mine = _found(found, rows, planted)
    print(f"{count:,} rows, text in, verified pairs out, CPU rows a second; planted found:")
    print(f"  tunesmith  {count / ours:9,.0f}  {mine:.4f}")
    print(f"  datasketch {count / theirs:9,.0f}  {recall:.4f}   ({theirs / ours:.1f} times slower)")
    return int(theirs < TIMES_FASTER * ours or mine < recall)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
