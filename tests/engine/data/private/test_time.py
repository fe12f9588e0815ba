"""No text, however made, takes the finders more than time in proportion to its length."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from engine.data.private import pii, secrets
from engine.data.subject import flags, language

UNITS = (
    "sk-", "eyJ-", "12-", "00 1", "://a:", "a@", "a.", "+1(", "password is ", "api key=", "AKIA",
    "-----BEGIN PRIVATE KEY-----", "Bearer a", "basic x", "wandb ", "::", "1.", "DE12 ", "www.a",
    "我1", "ghp_", "SG.a-", "token:", "(0", "fe80:", "xoxb-", "hv s.", "http://",
)  # fmt: skip
FINDERS: tuple[Callable[[str], Any], ...] = (
    pii.find,
    secrets.find,
    flags.flags,
    language.language,
)


@pytest.mark.parametrize("unit", UNITS)
def test_a_long_text_of_one_unit_takes_no_more_than_its_share(unit: str) -> None:
    for finder in FINDERS:
        finder("warm up 12")
        began = time.process_time()
        finder((unit * 120_000)[:120_000])
        assert time.process_time() - began < 3, finder
