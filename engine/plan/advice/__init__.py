"""Should you fine-tune at all? Rules first, then the evidence of the measured trial."""

from engine.plan.advice.advise import Advice, advise
from engine.plan.advice.facts import FOUND, GAIN, IF_FOUND, Score, baselines, describe
from engine.plan.advice.weigh import Verdict

__all__ = [
    "FOUND",
    "GAIN",
    "IF_FOUND",
    "Advice",
    "Score",
    "Verdict",
    "advise",
    "baselines",
    "describe",
]
