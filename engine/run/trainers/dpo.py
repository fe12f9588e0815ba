"""Direct preference optimization: pairs of answers against the model with its adapter off."""

from __future__ import annotations

from typing import Any, ClassVar

from trl import DPOConfig, DPOTrainer

from engine.run.trainers.followed import Followed


class Trainer(Followed, DPOTrainer):  # type: ignore[misc]
    """TRL's trainer; its batch holds the better answers, then the worse ones."""

    CONFIG: ClassVar[Any] = DPOConfig
