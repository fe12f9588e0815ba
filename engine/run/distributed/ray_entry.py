"""A training on the workers of Ray: `python -P -m engine.run.distributed.ray_entry`.

Arguments: workspace, job, number of workers, `cpu` or `gpu`. Each Ray worker starts the same
program that torchrun would, with the same variables; the workspace must lie where all reach it.
Needs the extra `ray`; without a cluster (`RAY_ADDRESS`) it starts one on this box.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from engine.base.errors import TunesmithError


def main() -> int:
    """Train on Ray's workers; return 0 when all of them ended well."""
    workspace, job, workers, device = sys.argv[1:]
    try:
        train(Path(workspace), int(job), int(workers), gpu=device == "gpu")
    except TunesmithError as error:
        print(f"{error.what} {error.fix}", file=sys.stderr)
        return error.exit_code
    return 0


def train(workspace: Path, job_id: int, workers: int, *, gpu: bool) -> None:
    """Run a training job on Ray's workers, to its end.

    Args:
        workspace: The folder of `runs.db`.
        job_id: A training job, whose plan has as many processes.
        workers: How many Ray workers.
        gpu: Whether each takes a GPU.

    Raises:
        TunesmithError: Ray is not installed, or the training failed.
    """
    try:
        from ray.train import RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer
    except ImportError as error:
        raise TunesmithError("Ray is not installed.", "`pip install 'tunesmith[ray]'`.") from error
    trainer = TorchTrainer(
        _worker,
        train_loop_config={"workspace": str(workspace), "job": str(job_id)},
        torch_config=TorchConfig(backend="cpu:gloo,cuda:nccl" if gpu else "gloo"),
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=gpu),
        run_config=RunConfig(storage_path=str(workspace / "ray")),
    )
    try:
        trainer.fit()
    except Exception as error:
        raise TunesmithError(
            f"The training on Ray failed ({type(error).__name__}).",
            f"`tunesmith log {job_id}` has more; resume it with as many workers.",
        ) from error


def _worker(config: dict[str, Any]) -> None:
    """Start this Ray worker's process; Ray's own group only agrees on where they meet."""
    from torch import distributed

    port: list[int] = [_free_port() if os.environ["RANK"] == "0" else 0]
    distributed.broadcast_object_list(port)
    command = [sys.executable, "-P", "-m", "engine.worker", config["workspace"], config["job"]]
    environment = {**os.environ, "MASTER_PORT": str(port[0])}
    code = subprocess.run(command, env=environment, check=False).returncode
    if code:
        raise RuntimeError(f"process {os.environ['RANK']} ended with code {code}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("", 0))
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
