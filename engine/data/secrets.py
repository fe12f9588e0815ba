"""Keys and passwords: provider formats, private keys, and values said to be a password.

A match is never shown: not in a log, not in a finding, not in an error.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import NamedTuple

from engine.data.pii import Span


class _Rule(NamedTuple):
    """A provider's key format; the hint is a text that every match contains, for speed."""

    kind: str
    hint: str
    pattern: re.Pattern[str]


_PEM = r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----"
_RULES = tuple(
    _Rule(kind, hint, re.compile(pattern))
    for kind, hint, pattern in (
        ("private key", "PRIVATE KEY", _PEM + f"(?:[\\s\\S]*?{_PEM.replace('BEGIN', 'END')})?"),
        ("AWS", "A", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"),
        ("GitHub", "gh", r"\bgh[pousr]_[A-Za-z0-9]{36,255}\b"),
        ("GitHub", "github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{22,255}\b"),
        ("GitLab", "glpat-", r"\bglpat-[A-Za-z0-9_-]{20,}"),
        ("Anthropic", "sk-ant-", r"\bsk-ant-[A-Za-z0-9_-]{20,}"),
        ("OpenAI", "sk-", r"\bsk-(?!ant-)(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}"),
        ("Hugging Face", "hf_", r"\bhf_[A-Za-z0-9]{30,}\b"),
        ("Google", "AIza", r"\bAIza[A-Za-z0-9_-]{35}"),
        ("Slack", "xox", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
        ("Stripe", "k_", r"\b[srp]k_(?:live|test)_[A-Za-z0-9]{16,}\b"),
        ("npm", "npm_", r"\bnpm_[A-Za-z0-9]{36}\b"),
        ("SendGrid", "SG.", r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
        ("JWT", "eyJ", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
        ("URL password", "://", r"(?<=://)[^\s:/@]+:[^\s:/@]{3,}(?=@)"),
    )
)  # fmt: skip
_ASSIGNMENT = re.compile(
    r"(?:api[ _-]?key|access[ _-]?key|secret|token|password|passwd|passphrase|pwd)"
    r"[\"']?\s*(?:is\b|[:=])+\s*[\"'`]?([^\s\"'`,;<>]{8,})",
    re.IGNORECASE,
)
_LEAST_ENTROPY = 2.7  # bits a character; words of prose of that length have fewer, or no digit


def find(text: str) -> list[Span]:
    """Return the secrets in a text, in order, without overlaps; the kind is the provider's."""
    spans: list[Span] = []
    for rule in _RULES:
        if rule.hint in text:
            _add(spans, [Span(rule.kind, *match.span()) for match in rule.pattern.finditer(text)])
    if ":" in text or "=" in text or " is " in text:
        matches = _ASSIGNMENT.finditer(text)
        _add(spans, [Span("password", *m.span(1)) for m in matches if _is_random(m[1])])
    return sorted(spans, key=lambda span: span.start)


def _add(spans: list[Span], found: list[Span]) -> None:
    for span in found:
        if all(span.end <= other.start or other.end <= span.start for other in spans):
            spans.append(span)


def _is_random(value: str) -> bool:
    if not any(map(str.isdigit, value)) or not any(map(str.isalpha, value)):
        return False
    shares = [count / len(value) for count in Counter(value).values()]
    return -sum(share * math.log2(share) for share in shares) >= _LEAST_ENTROPY
