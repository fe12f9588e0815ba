"""Keys and passwords: provider formats, private keys, and values said to be a password.

A match is never shown: not in a log, not in a finding, not in an error.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from engine.data.private.spans import Span, add, plain


class _Rule(NamedTuple):
    """A provider's key format; the hint is a text that every match contains, for speed."""

    kind: str
    hint: str
    pattern: re.Pattern[str]


_PEM = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
_PEM_END = _PEM.replace("BEGIN", "END")
_WORD = r"A-Za-z0-9_\-"  # inside a class
_RANDOM = rf"(?=[{_WORD}]{{0,200}}?\d)"  # a key holds a digit; a hyphened word does not
_RULES = tuple(
    _Rule(kind, hint, re.compile(pattern, re.ASCII))
    for kind, hint, pattern in (
        ("private key", "PRIVATE KEY",
         rf"{_PEM}(?:(?:(?!-----BEGIN)[\s\S]){{0,12000}}?{_PEM_END}|(?:\s*[A-Za-z0-9+/=]{{24,}})*)"),
        ("private key", "PuTTY-User", r"PuTTY-User-Key-File-\d[\s\S]{0,8000}?Private-MAC: \w+"),
        ("private key", "AGE-SECRET", r"\bAGE-SECRET-KEY-1[A-Z0-9]{50,}"),
        ("AWS", "A", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"),
        ("GitHub", "gh", r"\bgh[pousr]_[A-Za-z0-9]{36,255}\b"),
        ("GitHub", "github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{22,255}\b"),
        ("GitLab", "gl", rf"\bgl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat)-[{_WORD}]{{20,}}"),
        ("Anthropic", "sk-ant-", rf"\bsk-ant-[{_WORD}]{{20,}}"),
        ("OpenRouter", "sk-or-", rf"\bsk-or-[{_WORD}]{{20,}}"),
        ("OpenAI", "sk-",
         rf"\bsk-(?!ant-|or-)(?:proj-|svcacct-|admin-)?{_RANDOM}[{_WORD}]{{20,}}"),
        ("Hugging Face", "hf_", r"\bhf_[A-Za-z0-9]{30,}\b"),
        ("Hugging Face", "api_org_", r"\bapi_org_[A-Za-z0-9]{30,}\b"),
        ("Google", "AIza", rf"\bAIza[{_WORD}]{{35}}"),
        ("Google", "GOCSPX-", rf"\bGOCSPX-[{_WORD}]{{20,}}"),
        ("Google", "ya29.", rf"\bya29\.[{_WORD}]{{20,}}"),
        ("Slack", "xox", r"\bxox[abceoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,}"),
        ("Slack", "xapp-", r"\bxapp-\d-[A-Za-z0-9-]{20,}"),
        ("Slack", "hooks.slack.com/",
         r"(?:https://)?hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_+-]{20,}"),
        ("Discord", "/webhooks/",
         rf"https://(?:\w+\.)?discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\d+/[{_WORD}]{{40,}}"),
        ("Discord", ".", rf"\b[MNO][A-Za-z0-9_-]{{22,27}}\.[{_WORD}]{{6}}\.[{_WORD}]{{27,40}}"),
        ("Microsoft Teams", ".webhook.office.com/",
         r"https://[a-z0-9]+\.webhook\.office\.com/webhookb2/[A-Za-z0-9@/-]{40,}"),
        ("Stripe", "k_", r"\b[srp]k_(?:live|test)_[A-Za-z0-9]{10,}\b"),
        ("Stripe", "whsec_", r"\bwhsec_[A-Za-z0-9+/=]{24,}"),
        ("npm", "npm_", r"\bnpm_[A-Za-z0-9]{36}\b"),
        ("PyPI", "pypi-", rf"\bpypi-AgE[{_WORD}]{{40,}}"),
        ("SendGrid", "SG.", rf"\bSG\.[{_WORD}]{{16,}}\.[{_WORD}]{{16,}}"),
        ("Twilio", "AC", r"\bAC[0-9a-f]{32}\b"),
        ("Twilio", "SK", r"\bSK[0-9a-f]{32}\b"),
        ("Mailgun", "key-", r"\bkey-[0-9a-f]{32}\b"),
        ("Mailchimp", "-us", r"\b[0-9a-f]{32}-us\d{1,2}\b"),
        ("Telegram", ":",
         rf"(?:(?<=bot)|(?<![\w:])(?<!\d\.))\d{{8,10}}:[{_WORD}]{{35}}(?![{_WORD}])"),
        ("Azure", "==", r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==(?![A-Za-z0-9+/=])"),
        ("Azure", "8Q~", rf"(?<![{_WORD}~.])[A-Za-z0-9_~.-]{{3}}8Q~[A-Za-z0-9_~.-]{{31,34}}"),
        ("Azure", "sig=", r"[?&]sig=[A-Za-z0-9%+/]{40,}(?:%3D|=)?"),
        ("Alibaba Cloud", "LTAI", r"\bLTAI[A-Za-z0-9]{12,26}\b"),
        ("Tencent Cloud", "AKID", r"\bAKID[A-Za-z0-9]{28,40}\b"),
        ("DigitalOcean", "_v1_", r"\bdo[oprt]_v1_[0-9a-f]{64}\b"),
        ("Weights & Biases", "wandb_v1_", r"\bwandb_v1_[A-Za-z0-9_]{40,}"),
        ("Databricks", "dapi", r"\bdapi[0-9a-f]{32}(?:-\d)?\b"),
        ("Replicate", "r8_", r"\br8_[A-Za-z0-9]{37}\b"),
        ("Groq", "gsk_", r"\bgsk_[A-Za-z0-9]{40,}\b"),
        ("xAI", "xai-", r"\bxai-[A-Za-z0-9]{60,}\b"),
        ("Perplexity", "pplx-", r"\bpplx-[A-Za-z0-9]{40,}\b"),
        ("Tavily", "tvly-", rf"\btvly-{_RANDOM}[{_WORD}]{{20,}}"),
        ("NVIDIA", "nvapi-", rf"\bnvapi-[{_WORD}]{{40,}}"),
        ("Shopify", "shp", r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}\b"),
        ("Square", "sq0", rf"\bsq0[a-z]{{3}}-[{_WORD}]{{22,}}"),
        ("Notion", "ntn_", r"\bntn_[A-Za-z0-9]{40,}\b"),
        ("Linear", "lin_api_", r"\blin_api_[A-Za-z0-9]{32,}\b"),
        ("Figma", "figd_", rf"\bfigd_[{_WORD}]{{36,}}"),
        ("Docker", "dckr_", rf"\bdckr_(?:pat|oat)_[{_WORD}]{{27,}}"),
        ("Atlassian", "ATATT3", rf"\bATATT3[{_WORD}=]{{60,}}"),
        ("Vault", "hv", rf"\bhv[sbr]\.[{_WORD}]{{24,}}"),
        ("Grafana", "gl", r"\bgl(?:sa_[A-Za-z0-9]{32}_[0-9a-fA-F]{8}|c_[A-Za-z0-9+/=]{32,})"),
        ("New Relic", "NRAK-", r"\bNRAK-[A-Z0-9]{27}\b"),
        ("PlanetScale", "pscale_", rf"\bpscale_(?:tkn|pw|oauth)_[{_WORD}.]{{30,}}"),
        ("Supabase", "sbp_", r"\bsbp_[0-9a-f]{40}\b"),
        ("Postman", "PMAK-", r"\bPMAK-[0-9a-f]{24}-[0-9a-f]{34}\b"),
        ("RubyGems", "rubygems_", r"\brubygems_[0-9a-f]{48}\b"),
        ("Facebook", "EAA", r"\bEAA[A-Za-z0-9]{90,}"),
        ("JWT", "eyJ", rf"\beyJ[{_WORD}]{{8,600}}\.eyJ[{_WORD}]{{8,}}\.[{_WORD}]{{8,}}"),
        ("HTTP authorization", "asic ",
         r"(?<=\b[Bb]asic )(?=\S{0,200}?(?:[\d=]|[a-z][A-Z]{2}))[A-Za-z0-9+/]{14,}={0,2}"),
        ("HTTP authorization", "earer ", r"(?<=\bBearer )(?=\S{0,200}?\d)[A-Za-z0-9._~+/-]{20,}=*"),
    )
)  # fmt: skip
_URL_PASSWORD = re.compile(r"(?<=://)[^\s:/@<>\"']{0,80}:([^\s/@<>\"']{3,200})@(?=[\w\[])")
_WANDB = re.compile(
    r"(?:wandb|W&B|weights (?:&|and) biases)[^\n]{0,48}?(?<![0-9a-zA-Z])([0-9a-f]{40})"
    r"(?![0-9a-zA-Z])",
    re.IGNORECASE,
)
# not cut by Chinese that follows without a blank; a query's next parameter is no part
_VALUE = r"((?:(?!&\w+=)[^\s\"'`,;<>，。；、！？“”‘’\u4e00-\u9fff])+)"
_KEYS = (
    r"api[ _-]?key|access[ _-]?key(?:[ _-]?id)?|secret(?:[ _-]?(?:access[ _-]?)?key)?"
    r"|(?:auth|access|refresh|bearer|bot|session)?[ _-]?token|client[ _-]?secret|private[ _-]?key"
    r"|account[ _-]?key|signing[ _-]?key|encryption[ _-]?key|credentials?|密钥|秘钥|令牌"
)
_PASSWORDS = (
    r"password|passwd|\bpass\b|\bpw\b|passphrase|passcode|pwd|passwort|kennwort|mot de passe"
    r"|contrase[ñn]a|senha|wachtwoord|密码|口令|密碼|パスワード"
)
_SAYS = r"(?:\s*(?:\bis|\bwas|\bist|\best|\bes|是|为|:=|=>|[:=：]))+\s*"
_KEY = re.compile(
    rf"(?:{_KEYS})[\"'\])]*{_SAYS}(?:Bearer )?[\"'`“]?{_VALUE}", re.IGNORECASE | re.ASCII
)
_PASSWORD = re.compile(
    rf"(?:{_PASSWORDS})(?: (?:for|of|to|on|at)(?: [\w.&'-]{{1,20}}){{1,5}}?)?"
    rf"[\"'\])]*(?:{_SAYS}|(\s+(?=[\"'`“]?[^\s\"']{{7,}})))[\"'`“]?{_VALUE}",
    re.IGNORECASE | re.ASCII,
)
_NAMES_SECRET = re.compile(
    r"pass|pwd|\bpw\b|kennwort|contrase|senha|wachtwoord|token|secret|key|credential|密|口令|令牌|パスワード"
)
_PLACEHOLDER = re.compile(
    r"[(\[{}<>$]|x{4}|\*{3}|\.{3}|your|my[_-]|changeme|redacted|placeholder|password|passwd"
    r"|\Aenv\b|\Aos\.|process\.|://|\A[A-Za-z_]+(?:\.[A-Za-z_]+)+\Z",
    re.IGNORECASE,
)
_PASSWORD_SHAPE = re.compile(r"\w[!@#$%^*~]+\w|\A\d{6,}\Z", re.ASCII)
_TOLD = re.compile(r"(?:\b(?:is|was|ist|est|es)\b|是|为|[\"'`“])[^\w]*\Z", re.IGNORECASE)
_IDENTIFIER = re.compile(r"[A-Za-z_]+\d{0,2}(?:[._-][A-Za-z_]*\d{0,2})*", re.ASCII)
_TYPICAL = ("password", "passwd", "pass", "pwd", "secret", "username", "user")
_LEAST_KEY, _LEAST_PASSWORD = 8, 6  # characters
_LEAST_ENTROPY = 2.5  # bits a character; words of prose of that length have fewer, or no digit


def find(text: str) -> list[Span]:
    """Return the secrets in a text, in order, without overlaps; the kind is the provider's."""
    spans: list[Span] = []
    text = plain(text)
    for rule in _RULES:
        if rule.hint in text:
            add(spans, (Span(rule.kind, *match.span()) for match in rule.pattern.finditer(text)))
    if "://" in text and "@" in text:
        add(spans, _url_passwords(text))
    lower = text.lower()
    if "wandb" in lower or "w&b" in lower or "biases" in lower:
        add(spans, (Span("Weights & Biases", *m.span(1)) for m in _WANDB.finditer(text)))
    if _NAMES_SECRET.search(lower):
        add(spans, (Span("API key", *span) for span in _keys(text)))
        add(spans, (Span("password", *span) for span in _passwords(text)))
    return spans


def _url_passwords(text: str) -> Iterator[Span]:
    for match in _URL_PASSWORD.finditer(text):
        if match[1].lower() not in _TYPICAL and not re.search(r"[{}$*]|\.\.\.", match[1]):
            yield Span("URL password", *match.span(1))


def _keys(text: str) -> Iterator[tuple[int, int]]:
    for match in _KEY.finditer(text):
        value = match[1].rstrip(".:)!?")
        shaped = len(value) >= _LEAST_KEY and _has_letter_and_digit(value)
        if not shaped or _PLACEHOLDER.search(value) or _IDENTIFIER.fullmatch(value):
            continue
        if _entropy(value) >= _LEAST_ENTROPY:
            yield match.start(1), match.start(1) + len(value)


def _passwords(text: str) -> Iterator[tuple[int, int]]:
    for match in _PASSWORD.finditer(text):
        value = match[2].rstrip(".:)?")
        if len(value) < _LEAST_PASSWORD or _PLACEHOLDER.search(value):
            continue
        bare = value.rstrip("!")
        if match[1] is not None:  # nothing but a blank says so: only what no word looks like
            kinds = [r"[a-z]", r"[A-Z]", r"\d", r"[!@#$%^*~&+]"]
            good = sum(bool(re.search(kind, bare)) for kind in kinds) >= 3
        else:
            good = _has_letter_and_digit(bare) or bool(_PASSWORD_SHAPE.search(bare))
            if _TOLD.search(match[0][: match.start(2) - match.start()]):
                good = good or bool(re.search("[a-z][A-Z]", bare))
        if good and (_entropy(value) >= _LEAST_ENTROPY or bare.isdigit()):
            yield match.start(2), match.start(2) + len(value)


def _has_letter_and_digit(value: str) -> bool:
    return any(map(str.isdigit, value)) and any(map(str.isalpha, value))


def _entropy(value: str) -> float:
    """Return the bits a character of a text's own frequencies."""
    shares = [count / len(value) for count in Counter(value).values()]
    return -sum(share * math.log2(share) for share in shares)
