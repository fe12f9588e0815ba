"""The architecture against the trainer and the method."""

from __future__ import annotations

from collections.abc import Iterator

from engine.plan.compatibility import alternatives
from engine.plan.compatibility.clash import Clash
from engine.plan.compatibility.lists import lists
from engine.plan.compatibility.subject import Subject

_HEADS = (
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForQuestionAnswering",
    "ForMultipleChoice",
    "RewardModel",
    "ForScore",
)
_OTHER = "Choose a text model from `tunesmith models`."


def clashes(subject: Subject) -> Iterator[Clash]:
    """Yield what speaks against training this architecture at all."""
    found = _kind(subject)
    if found:
        fix = alternatives.instead(subject, otherwise=_OTHER)
        yield Clash(found, fix, fatal=True, where=subject.where)
        return
    stated = subject.config.get("architectures")
    named = [str(name) for name in stated] if isinstance(stated, list) else []
    heads = [name for name in named if name.endswith(_HEADS)]
    if heads:
        yield Clash(
            f"This model ({heads[0]}) was trained to classify or to score: its output head for "
            "text is missing, and would be filled with random numbers.",
            alternatives.instead(subject, otherwise=_OTHER),
            fatal=True,
            where=subject.where,
        )
    headless = bool(named) and all(_headless(name) for name in named)
    shape = subject.dimensions
    if headless and shape is not None and not shape.tied:
        yield Clash(
            f"This model ({named[0]}) has no output head, as models for embeddings; it cannot "
            "write, and the head would be filled with random numbers.",
            alternatives.instead(subject, otherwise=_OTHER),
            fatal=True,
            where=subject.where,
        )


def _headless(name: str) -> bool:
    return name.endswith("Model") and "LMHead" not in name


def _kind(subject: Subject) -> str:
    """Say why the trainer cannot load this model type; empty where it can."""
    kind, listed = subject.kind, lists()
    if not kind:
        return "The config.json names no model_type, so nobody can know what to load."
    if kind in listed.encoder_decoders or subject.config.get("is_encoder_decoder") is True:
        return (
            f"{kind} has an encoder and a decoder; Tunesmith trains models that only go on "
            "writing (decoders)."
        )
    if kind in listed.encoders and not subject.config.get("is_decoder"):
        return f"{kind} reads in both directions (an encoder) and cannot write text."
    if kind in listed.causal:
        return ""
    own_code = (
        " runs code of its maker's, which Tunesmith never does"
        if (subject.config.get("auto_map"))
        else " is newer than it, or misspelt"
    )
    if kind not in listed.known:
        return (
            f"Transformers {listed.versions['transformers']} does not know the model type "
            f"{kind}; such a model{own_code}."
        )
    part = _text_part(subject)
    return f"{kind} is no text model that the trainer can load{part}."


def _text_part(subject: Subject) -> str:
    inner = subject.config.get("text_config")
    own = str(inner.get("model_type") or "") if isinstance(inner, dict) else ""
    beside = [name for name in ("vision", "audio") if subject.config.get(f"{name}_config")]
    if not beside:
        return ""
    words = f"; it sees or hears ({', '.join(beside)})"
    return f"{words}, and only its text part ({own}) could be trained" if own else words
