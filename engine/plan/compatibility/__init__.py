"""Whether model, data, method and target go together, checked before anything is spent."""

from engine.plan.compatibility.check import check, clashes
from engine.plan.compatibility.clash import Clash
from engine.plan.compatibility.rows import RowFacts
from engine.plan.compatibility.subject import Subject

__all__ = ["Clash", "RowFacts", "Subject", "check", "clashes"]
