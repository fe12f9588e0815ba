"""Heavy steps of cleaning over several worker processes, with the results of one.

The engine is datatrove: it hands out the tasks of a run. What a task computes is the code of the
local path, on a shard of the rows or on one band of their MinHash; what decides stays where it
was. So the results are equal bit for bit. A worker is this module as a program.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from engine.base.errors import TunesmithError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Candidates = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]

T = TypeVar("T")
R = TypeVar("R")
Progress = Callable[[str], None]

_NAMES = {"map": "shards of rows", "sign": "signatures", "pair": "pairs"}
_SHARD = 20_000  # texts of a task
_ROWS = 2_000  # rows of a task, of which each may take a millisecond
_TOGETHER = 4  # bands of a task
_POLL = 0.2  # seconds between two looks at the workers
_PENDING = 4_000_000  # pairs held between two tidyings


def require() -> None:
    """Do nothing where the engine is installed.

    Raises:
        UsageError: It is not.
    """
    if find_spec("datatrove") is None:
        raise UsageError(
            "Work over several workers needs the package datatrove, which is not installed.",
            'Install it: `pip install "tunesmith[scale]"`, or leave --scale out.',
            "--scale",
        )


def mapped(
    function: Callable[[T], R],
    items: Iterable[T],
    workers: int,
    *,
    shared: Path | None = None,
    progress: Progress = lambda _: None,
) -> Iterator[R]:
    """Yield a function's results in the items' order; it works on shards of them in parallel.

    Args:
        function: What to do with one item; it, the items and the results must be picklable.
        items: Read once, never held as a whole.
        workers: How many processes.
        shared: Where the shards lie meanwhile; the system's folder for temporary files if None.
        progress: Told several times a second what is done; what it raises ends the workers.

    Raises:
        UsageError: The engine is not installed.
        TunesmithError: A worker was killed.
    """
    require()
    with tempfile.TemporaryDirectory(prefix="tunesmith-scale-", dir=shared) as name:
        folder = Path(name)
        (folder / "function").write_bytes(pickle.dumps(function))
        tasks = 0
        for shard in _shards(items, _ROWS):
            (folder / f"{tasks}.in").write_bytes(pickle.dumps(shard))
            tasks += 1
        _run("map", folder, tasks, workers, progress)
        for task in range(tasks):
            yield from _load(folder / f"{task}.out")


def candidates(
    texts: Iterable[str],
    workers: int,
    *,
    shared: Path | None = None,
    progress: Progress = lambda _: None,
) -> Candidates:
    """Return what `minhash.candidates` returns, computed by several processes.

    First every shard of the texts gets its signatures, then every band of them its pairs. Of the
    texts only one shard is held at a time, of the signatures only what a band needs: they lie in
    `shared`, about 400 bytes a text beside the texts themselves. One shard needs no workers.
    Arguments and errors as in `mapped`.
    """
    from engine.data.alike.minhash import candidates as local
    from engine.data.alike.minhash import signatures

    require()
    with tempfile.TemporaryDirectory(prefix="tunesmith-scale-", dir=shared) as name:
        folder = Path(name)
        starts = [0]
        for shard in _shards(texts, _SHARD):
            (folder / f"{len(starts) - 1}.in").write_bytes(pickle.dumps(shard))
            starts.append(starts[-1] + len(shard))
        if len(starts) <= 2:
            return local(_load(folder / "0.in") if starts[-1] else [])
        empty: tuple[Any, ...] = signatures([])
        (folder / "form").write_bytes(pickle.dumps((starts, empty)))
        for number, part in enumerate(empty):
            with (folder / f"{number}.matrix").open("wb") as stream:
                stream.truncate(starts[-1] * max(part.shape) * part.itemsize)
        _run("sign", folder, len(starts) - 1, workers, progress)
        tasks = -(-max(empty[-1].shape) // _TOGETHER)
        _run("pair", folder, tasks, workers, progress)
        return _merged(folder, tasks)


def _shards(items: Iterable[T], size: int) -> Iterator[list[T]]:
    remaining = iter(items)
    while shard := list(islice(remaining, size)):
        yield shard


def _map(folder: Path, task: int) -> None:
    function = _load(folder / "function")
    results = [function(item) for item in _load(folder / f"{task}.in")]
    (folder / f"{task}.out").write_bytes(pickle.dumps(results))


def _sign(folder: Path, task: int) -> None:
    """Put the signatures of a shard into its place in the matrices of all."""
    from engine.data.alike.minhash import signatures

    starts, _ = _load(folder / "form")
    own = slice(starts[task], starts[task + 1])
    *rows, bands = signatures(_load(folder / f"{task}.in"))
    *all_rows, all_bands = _matrices(folder, "r+")
    for matrix, part in zip(all_rows, rows, strict=True):
        matrix[own] = part
    all_bands[:, own] = bands


def _pair(folder: Path, task: int) -> None:
    """Find the pairs of some bands; of all bands only these are read."""
    import numpy as np

    from engine.data.alike.minhash import agreeing_pairs, best_pairs, bucket_pairs

    *agreeing, bands = _matrices(folder, "r")
    own = range(len(bands))[task * _TOGETHER : (task + 1) * _TOGETHER]
    codes, counts = best_pairs(
        [agreeing_pairs(bucket_pairs(bands, band), *agreeing) for band in own]
    )
    np.savez(folder / f"{task}.npz", codes=codes, counts=counts)


def _matrices(folder: Path, mode: Literal["r", "r+"]) -> list[Any]:
    """Open the parts of all signatures, on disk: a text a row, but of the bands a text a column.

    So one band is read without the others.
    """
    import numpy as np

    starts, empty = _load(folder / "form")
    shapes = [tuple(size or starts[-1] for size in part.shape) for part in empty]
    return [
        np.memmap(folder / f"{number}.matrix", part.dtype, mode, 0, shape).view(np.ndarray)
        for number, (part, shape) in enumerate(zip(empty, shapes, strict=True))
    ]


def _merged(folder: Path, tasks: int) -> Candidates:
    """Put the pairs together; which are the best of a text does not depend on the order."""
    import numpy as np

    from engine.data.alike.minhash import best_pairs

    found: list[Any] = []
    pending = 0
    for task in range(tasks):
        with np.load(folder / f"{task}.npz") as pairs:
            found.append((pairs["codes"], pairs["counts"]))
        pending += len(found[-1][0])
        if pending > _PENDING:
            found, pending = [best_pairs(found)], 0
    codes, agreements = best_pairs(found)
    earlier = (codes & np.uint64(0xFFFF_FFFF)).astype(np.int64)
    return earlier, (codes >> np.uint64(32)).astype(np.int64), agreements


_STAGES: dict[str, Callable[[Path, int], None]] = {"map": _map, "sign": _sign, "pair": _pair}


def _run(stage: str, folder: Path, tasks: int, workers: int, progress: Progress) -> None:
    """Share the tasks of a stage out to worker processes, and wait for them."""
    if not tasks:
        return
    environment = os.environ | {"RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    workers = min(max(1, workers), tasks)
    bounds = [tasks * worker // workers for worker in range(workers + 1)]
    log = folder / f"{stage}.log"
    running: list[subprocess.Popen[bytes]] = []
    try:
        with log.open("wb") as stream:
            for first, last in pairwise(bounds):
                numbers = (str(number) for number in (tasks, first, last - first))
                running.append(
                    subprocess.Popen(
                        [sys.executable, "-P", "-m", __name__, str(folder), stage, *numbers],
                        stdin=subprocess.DEVNULL,
                        stdout=stream,
                        stderr=stream,
                        env=environment,
                        start_new_session=True,
                    )
                )
        _wait(running, stage, log, progress)
    finally:
        for process in running:
            if process.poll() != 0:
                with suppress(ProcessLookupError):  # the engine's helper ends with its worker
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _wait(
    running: list[subprocess.Popen[bytes]], stage: str, log: Path, progress: Progress
) -> None:
    while any(process.poll() is None for process in running):
        _check(running, log)
        progress(f"{_NAMES[stage]}: {sum(p.poll() is None for p in running)} workers at work")
        time.sleep(_POLL)
    _check(running, log)


def _check(running: list[subprocess.Popen[bytes]], log: Path) -> None:
    for process in running:
        if code := process.poll():
            if code < 0:
                raise TunesmithError(
                    f"A worker was ended by signal {-code}: the memory may be full, or the disk.",
                    "Free some, or use fewer workers: --scale N.",
                )
            raise RuntimeError(f"A worker failed:\n{log.read_text(errors='replace')[-4000:]}")


def _load(path: Path) -> Any:
    """Read what this module wrote into its own folder, which nobody else may enter."""
    return pickle.loads(path.read_bytes())  # noqa: S301


def main(arguments: list[str]) -> int:
    """Do some tasks of a stage: FOLDER STAGE TASKS FIRST COUNT; return the exit status."""
    folder, stage = Path(arguments[0]), arguments[1]
    tasks, first, count = (int(number) for number in arguments[2:])
    import_module("loguru").logger.disable("datatrove")
    import_module("datatrove.executor").LocalPipelineExecutor(
        [partial(_step, _STAGES[stage], folder)],
        tasks=tasks,
        workers=1,
        local_tasks=count,
        local_rank_offset=first,
        logging_dir=str(folder / f"{stage}-{first}"),
    ).run()
    return 0


def _step(work: Callable[[Path, int], None], folder: Path, _: Any, task: int, __: int) -> None:
    work(folder, task)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
