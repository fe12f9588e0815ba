"""Every process of a training but the first: it trains its share, and writes nothing.

What to train it hears from process 0, so it never opens the store.
"""

from __future__ import annotations

import signal
import sys
import traceback
from typing import Any

from engine.base import ranks
from engine.base.model import locate
from engine.data.chat.template import ChatTemplate
from engine.run.distributed import guard
from engine.run.examples import Examples, tokenise


def main() -> int:
    """Train this process's share; return its exit code."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    guard.follow()
    from engine.run.distributed import group

    try:
        group.join()
        brief = group.hear()
        if brief is None:
            return 0
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # process 0 saves; this one follows it
        _train(brief)
    except Exception as error:  # noqa: BLE001 - the boundary: another's end is no fault of this one
        if group.is_loss(error):
            print(f"process {ranks.rank()}: another process is gone", file=sys.stderr)
            return ranks.PEER_LOST
        traceback.print_exc()
        return 1
    return 0


def _train(brief: Any) -> None:
    from engine.run.distributed.quiet import Quiet
    from engine.run.trainer import build

    plan = brief.plan
    model_dir = locate(plan.model)
    template = ChatTemplate.load(model_dir)

    def examples(split: Any) -> Examples:
        rows = brief.data.rows(split)
        return tokenise(template, brief.instruction, rows, plan["max_length"], plan.trainer)

    trainer = build(
        plan, model_dir, brief.folder, examples("train"), examples("validation"), Quiet()
    )
    trainer.train(resume_from_checkpoint=str(brief.last) if brief.last else None)
