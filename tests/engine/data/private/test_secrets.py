from __future__ import annotations

import ast
import importlib
import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.private.secrets import find

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"
HEX = DIGITS + "abcdef"
DEMO = Path(__file__).resolve().parents[4] / "recipes" / "demo"
MODULES = (
    "argparse asyncio.tasks base64 calendar collections configparser csv datetime decimal difflib "
    "doctest email.message functools getpass gettext hashlib hmac html.parser http.client "
    "http.cookiejar imaplib inspect ipaddress json logging mailbox netrc optparse pathlib pickle "
    "poplib random secrets shutil smtplib socket ssl statistics string subprocess tarfile textwrap "
    "threading tokenize token typing unittest.mock urllib.parse urllib.request uuid zipfile"
)


def made(alphabet: str, length: int, seed: int = 3) -> str:
    """A key's random part, the same each time; with one digit at least."""
    chance = random.Random(f"{alphabet}{length}{seed}")
    return "7" + "".join(chance.choice(alphabet) for _ in range(length - 1))


WORD = LETTERS + DIGITS
# put together here, so that no scanner takes this file for a leak
KEYS = [
    ("AWS", "AKIA" + "Q3EGRZ7TYVN5XW2M"),
    ("AWS", "ASIA" + made("ABCDEFGHIJ234567", 16)),
    ("GitHub", "ghp_" + made(WORD, 36)),
    ("GitHub", "gho_" + made(WORD, 36)),
    ("GitHub", "github_pat_" + made(WORD, 22) + "_" + made(WORD, 59)),
    ("GitLab", "glpat-" + made(WORD, 20)),
    ("Anthropic", "sk-ant-api03-" + made(WORD + "_-", 93) + "AA"),
    ("OpenAI", "sk-" + made(WORD, 48)),
    ("OpenAI", "sk-proj-" + made(WORD + "_-", 120) + "A"),
    ("Hugging Face", "hf_" + made(LETTERS, 34)),
    ("Google", "AIza" + made(WORD, 35)),
    ("Slack", "xoxb-" + "123456789012-1234567890123-" + made(WORD, 24)),
    ("Slack", "https://hooks." + "slack.com/services/T0123ABCD/B0123ABCD/" + made(WORD, 24)),
    ("Stripe", "sk_live_" + made(WORD, 24)),
    ("Stripe", "rk_test_" + made(WORD, 24)),
    ("Telegram", "6123456789:" + "AA" + made(WORD + "_-", 32) + "Q"),
    ("npm", "npm_" + made(WORD, 36)),
    ("PyPI", "pypi-AgEIcHlwaS5vcmc" + made(WORD, 120)),
    ("SendGrid", "SG." + made(WORD, 22) + "." + made(WORD, 43)),
    ("Twilio", "AC" + made(HEX, 32)),
    ("Twilio", "SK" + made(HEX, 32)),
    ("Azure", made(WORD + "+/", 86) + "=="),
    ("Discord", "MTA" + made(WORD, 21) + ".GabcdE." + made(WORD, 38)),
    ("JWT", "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0." + "dozjgNryP4J3jVmNHl0w"),
    ("DigitalOcean", "dop_v1_" + made(HEX, 64)),
    ("Databricks", "dapi" + made(HEX, 32)),
    ("Mailgun", "key-" + made(HEX, 32)),
    ("Alibaba Cloud", "LTAI5t" + made(WORD, 18)),
    ("Groq", "gsk_" + made(WORD, 52)),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "key"), KEYS)
@pytest.mark.parametrize(
    "frame", ["it fails with {}, why?", "密钥是{}，为什么", 'k = "{}"\n', "{}"]
)
def test_provider_keys_are_found_whole(kind: str, key: str, frame: str) -> None:
    text = frame.format(key)
    assert [(span.kind, text[span.start : span.end]) for span in find(text)] == [(kind, key)]


def test_a_private_key_is_found_with_its_body() -> None:
    text = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY----- thanks"
    (span,) = find(text)
    assert text[span.end :] == " thanks"


def test_the_first_line_of_a_private_key_is_enough() -> None:
    for name in ("RSA ", "EC ", "OPENSSH ", "ENCRYPTED ", ""):
        line = f"-----BEGIN {name}PRIVATE KEY-----"
        assert [span.kind for span in find(f"it says {line} and then stops")] == ["private key"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("password: Tr0ub4dor&3", "Tr0ub4dor&3"),
        ("the password is Sommer2024.", "Sommer2024"),
        ("My password for the portal is hunter22!", "hunter22!"),
        ("密码是abc12345，别告诉别人", "abc12345"),
        ("DB_PASSWORD='k8#mmPq!z'", "k8#mmPq!z"),
        ("use the password Blue!Horse77 here", "Blue!Horse77"),
        ("api_key = 'q7w8e9r0t1y2'", "q7w8e9r0t1y2"),
        ('"client_secret": "' + made(WORD, 32) + '"', made(WORD, 32)),
        ("AWS_SECRET_ACCESS_KEY=" + made(WORD + "/+", 40), made(WORD + "/+", 40)),
        ("WANDB_API_KEY=" + made(HEX, 40), made(HEX, 40)),
        ("wandb login " + made(HEX, 40), made(HEX, 40)),
        ("the auth token is " + made(HEX, 32), made(HEX, 32)),
        ("postgres://app:" + "s3cr3tPw@db.example.com:5432/x", "s3cr3tPw"),
        ("redis://:" + "p4ssw0rdX@cache:6379", "p4ssw0rdX"),
        ("https://x.example.com/?token=" + made(WORD, 20) + "&page=2", made(WORD, 20)),
        ("curl -H 'Authorization: Basic " + "dXNlcjpwYXNzMTIz'", "dXNlcjpwYXNzMTIz"),
    ],
)
def test_what_is_said_to_be_secret_is_one(text: str, value: str) -> None:
    assert [text[span.start : span.end] for span in find(text)] == [value]


@pytest.mark.parametrize(
    "text",
    [
        "my password is forgotten and the token expired",
        "the secret: patience. password reset link does not arrive",
        "sk-ip this, risk-based-assessment-of-the-whole-thing",
        "scikit: sk-learn-based-classification-pipeline",
        "token: 12345678",
        "https://example.com:8080/path",
        "password = os.environ['DB_PASSWORD1'], token = get_token2()",
        "api_key: ${API_KEY_2}, <your-api-key-1>, your_api_key_here1",
        "postgres://user:password@localhost/db",
        "密码忘记了，密码是什么？重置密码",
        "This uses Basic authentication only",
        "self.token = self.tokens1, secret = config.secret1",
        "the key is under the mat, flat 12b",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    ],
)
def test_prose_holds_no_secret(text: str) -> None:
    assert find(text) == []


def test_of_thousands_of_clean_rows_at_most_one_in_a_thousand_is_flagged() -> None:
    rows = clean_rows()
    assert len(rows) > 3000
    flagged = [row for row in rows if find(row)]
    assert len(flagged) <= len(rows) / 1000


def clean_rows() -> list[str]:
    """Paragraphs of documentation and whole functions of the standard library; the demo's texts."""
    rows = []
    for name in MODULES.split():
        source = Path(importlib.import_module(name).__file__ or "").read_text(encoding="utf-8")
        lines = source.splitlines(keepends=True)
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                continue
            rows += [p for p in (ast.get_docstring(node) or "").split("\n\n") if len(p) > 40]
            if isinstance(node, ast.FunctionDef):
                rows.append("".join(lines[node.lineno - 1 : node.end_lineno]))
    demo = (DEMO / "messages.jsonl").read_text(encoding="utf-8").splitlines()
    return rows + [row for row in demo if not re.search("AKIA|sk_live_", row)]  # two are planted


@given(st.text(max_size=200) | st.text(alphabet="password is:='\"-eyJ.sk_0Aa://@", max_size=200))
def test_spans_are_in_order_apart_and_within_the_text(text: str) -> None:
    place = 0
    for span in find(text):
        assert place <= span.start < span.end <= len(text)
        place = span.end
