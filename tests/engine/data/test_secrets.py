from __future__ import annotations

import pytest

from engine.data.secrets import find

# put together here, so that no scanner takes this file for a leak
KEYS = [
    ("AWS", "AKIA" + "Q3EGRZ7TYVN5XW2M"),
    ("GitHub", "ghp_" + "a1B2" * 9),
    ("GitHub", "github_pat_" + "11ABCDEFG0" * 3),
    ("OpenAI", "sk-proj-" + "Ab3dE" * 8),
    ("Anthropic", "sk-ant-api03-" + "Zx9_q" * 8),
    ("Hugging Face", "hf_" + "QwErTyUiOp" * 3 + "abcd"),
    ("Google", "AIza" + "SyA1b2C" * 5),
    ("Slack", "xoxb-" + "123456789012-abcdefGHIJ"),
    ("Stripe", "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"),
    ("GitLab", "glpat-" + "x1y2z3w4v5u6t7s8r9q0"),
    ("npm", "npm_" + "a1B2c3" * 6),
    ("JWT", "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0." + "dozjgNryP4J3jVmNHl0w"),
]


@pytest.mark.parametrize(("kind", "key"), KEYS)
def test_provider_keys_are_found_whole(kind: str, key: str) -> None:
    text = f"it fails with {key}, why?"
    assert [(span.kind, text[span.start : span.end]) for span in find(text)] == [(kind, key)]


def test_a_private_key_is_found_with_its_body() -> None:
    text = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY----- thanks"
    (span,) = find(text)
    assert text[span.end :] == " thanks"


@pytest.mark.parametrize("text", ["password: Tr0ub4dor&3", "api_key = 'q7w8e9r0t1y2'"])
def test_what_is_said_to_be_a_password_is_one(text: str) -> None:
    (span,) = find(text)
    assert text[: span.start].rstrip(" '").endswith((":", "="))


@pytest.mark.parametrize(
    "text",
    [
        "my password is forgotten and the token expired",
        "the secret: patience. password reset link does not arrive",
        "sk-ip this, risk-based-assessment-of-the-whole-thing",
        "token: 12345678",
        "https://example.com:8080/path",
    ],
)
def test_prose_holds_no_secret(text: str) -> None:
    assert find(text) == []
