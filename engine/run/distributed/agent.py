"""torchrun on this box, with a report of who failed: `python -P -m engine.run.distributed.agent`.

Arguments: number of processes, file of the report, workspace, job. The report is a JSON list of
the processes that failed: `rank` and `code`, negative for a signal.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from engine.base import files
from engine.run.distributed import guard


def main() -> int:
    """Run the processes to their end; return 0 when all of them ended well."""
    count, report, workspace, job = sys.argv[1:]
    guard.follow()
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    options = ["--standalone", "--nproc-per-node", count, "--max-restarts", "0", "--no-python"]
    rank = [sys.executable, "-P", "-m", "engine.worker", workspace, job]
    try:
        run.run(run.parse_args([*options, *rank]))
    except ChildFailedError as error:
        failed = [
            {"rank": rank, "code": failure.exitcode} for rank, failure in error.failures.items()
        ]
        files.write_text(Path(report), json.dumps(failed))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
