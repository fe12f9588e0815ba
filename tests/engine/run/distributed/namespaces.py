"""Two network namespaces on this box, joined by a cable: two nodes as far as torch can tell."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

ADDRESSES = ("10.77.0.1", "10.77.0.2")
_PORT = "29577"


def refused() -> str:
    """Say why namespaces cannot be made here; empty where they can."""
    name = f"tune{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        return made.stderr.strip() or "ip netns add failed"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return ""


@contextmanager
def nodes() -> Iterator[list[str]]:
    """Make two namespaces and the cable between them; yield their names, and remove them after."""
    names = [f"tune{os.getpid()}n{number}" for number in (0, 1)]
    ends = [f"tv{os.getpid()}{letter}" for letter in "ab"]
    try:
        for name in names:
            _ip("netns", "add", name)
        _ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for name, end, address in zip(names, ends, ADDRESSES, strict=True):
            _ip("link", "set", end, "netns", name)
            _ip("-n", name, "link", "set", end, "name", "cable")
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", "cable")
            for device in ("lo", "cable"):
                _ip("-n", name, "link", "set", device, "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def torchrun(names: Sequence[str], workspace: str, job: str, seconds: float = 200) -> list[int]:
    """Train one job with one process in each namespace; return the exit codes of both torchruns."""
    started = [
        subprocess.Popen(
            [
                *("ip", "netns", "exec", name, sys.executable, "-P", "-m", "torch.distributed.run"),
                *("--nnodes", "2", "--nproc-per-node", "1", "--node-rank", str(number)),
                *("--master-addr", ADDRESSES[0], "--master-port", _PORT, "--no-python"),
                *(sys.executable, "-P", "-m", "engine.worker", workspace, job),
            ],
            env={**os.environ, "GLOO_SOCKET_IFNAME": "cable"},
        )
        for number, name in enumerate(names)
    ]
    return [process.wait(seconds) for process in started]


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
