from __future__ import annotations

import ipaddress
import json
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.base.errors import UsageError
from engine.data.private import pii
from engine.data.private.identity_numbers import cn_check, is_region, luhn, mod97
from engine.data.private.masking import Privacy, mask
from engine.data.private.pseudonyms import pseudonym
from engine.data.rows import Row, Turn, make

AWS = "AKIA" + "Q3EGRZ7TYVN5XW2M"
ID = "11010519491231002X"
MASK = Privacy("mask", {}, b"k")
PSEUDONYMISE = Privacy("pseudonymise", {}, b"k")
WRITTEN = [
    "Bo@Mail.example.net", "+44 7700 900461", "(415) 555-2671", "13812345678", "010-62345678",
    "4111 1111 1111 1111", "378282246310005", "GB82 WEST 1234 5698 7654 32", "219-09-9999",
    "8.8.4.4", "2620:fe::9a:fe", ID,
]  # fmt: skip


def test_one_value_has_one_name_in_prompt_and_answer_however_it_is_written() -> None:
    row = make(
        "I am Bo@Example.com, call +44 7700 900461 or ann@example.com",
        json.dumps({"mail": "bo@example.com", "phone": "+447700900461", "cc": ["ann@example.com"]}),
    )
    masked = mask(row)
    assert masked.row.prompt == "I am <EMAIL_1>, call <PHONE_1> or <EMAIL_2>"
    assert json.loads(masked.row.completion) == {
        "mail": "<EMAIL_1>",
        "phone": "<PHONE_1>",
        "cc": ["<EMAIL_2>"],
    }
    assert (masked.pii, masked.secrets) == (("email", "phone"), ())


def test_all_texts_of_a_row_share_their_names() -> None:
    row = make(
        "wie erreiche ich Sie unter 07700 900461?",
        "Unter 0044 7700 900461 oder bo@example.com.",
        form="preference",
        system="You write to bo@example.com.",
        history=(Turn("user", f"Mein Schlüssel ist {AWS}"), Turn("assistant", "Danke.")),
        rejected=f"+44 (0)7700-900461, {AWS}",
        group="g",
        scenario="s",
        source="f:3",
    )
    treated = MASK.treat(row)
    assert treated.row == make(
        "wie erreiche ich Sie unter <PHONE_1>?",
        "Unter <PHONE_1> oder <EMAIL_1>.",
        form="preference",
        system="You write to <EMAIL_1>.",
        history=(Turn("user", "Mein Schlüssel ist <SECRET_1>"), Turn("assistant", "Danke.")),
        rejected="<PHONE_1>, <SECRET_1>",
        group="g",
        scenario="s",
        source="f:3",
    )
    assert [(f.part, f.kind, f.secret) for f in treated.found] == [
        ("system", "email", False),
        ("history[0]", "aws", True),
        ("prompt", "phone", False),
        ("completion", "phone", False),
        ("completion", "email", False),
        ("rejected", "phone", False),
        ("rejected", "aws", True),
    ]


def test_a_find_tells_its_place_and_not_its_value() -> None:
    row = make(f"key {AWS} of bo@example.com", "and BO@example.com")
    found = MASK.treat(row).found
    key, mail, again = found
    assert row.prompt[key.start : key.end] == AWS
    assert row.prompt[mail.start : mail.end] == "bo@example.com"
    assert row.completion[again.start : again.end] == "BO@example.com"
    assert {f.action for f in found} == {"masked"}
    assert mail.fingerprint == again.fingerprint != key.fingerprint
    assert all(re.fullmatch("[0-9a-f]{8}", f.fingerprint) for f in found)
    assert "example" not in repr(found)
    assert AWS not in repr(found)
    assert Privacy("mask", {}, b"other").treat(row).found[0].fingerprint != key.fingerprint


def test_a_number_in_a_json_answer_becomes_text_and_the_answer_stays_json() -> None:
    masked = mask(make("my mobile is 4155550132", '{"phone": 4155550132, "n": 2}'))
    assert json.loads(masked.row.completion) == {"phone": "<PHONE_1>", "n": 2}
    assert mask(make("x", 'Here: {"phone": 4155550132, "n": 2}')).row.completion == (
        'Here: {"phone": "<PHONE_1>", "n": 2}'
    )


def test_a_pseudonym_of_a_number_in_json_stays_a_number() -> None:
    row = PSEUDONYMISE.treat(
        make("手机13812345678", '{"phone": 13812345678, "a":  [1.50, 1e3]}')
    ).row
    assert row is not None
    number = json.loads(row.completion)["phone"]
    assert isinstance(number, int)
    assert row.prompt == f"手机{number}"
    assert row.completion.endswith('"a":  [1.50, 1e3]}')  # nothing else is written anew


def test_what_hides_behind_an_escape_is_found() -> None:
    answer = r'{"mail": "bo\u0040example.com", "text": "line\n+44 7700 900461\t\"x\""}'
    treated = MASK.treat(make("x", answer))
    assert treated.row is not None
    assert json.loads(treated.row.completion) == {
        "mail": "<EMAIL_1>",
        "text": 'line\n<PHONE_1>\t"x"',
    }


def test_a_secret_leaves_no_trace_in_the_row() -> None:
    masked = mask(make(f"the key {AWS} fails", f"Use {AWS} again", group="g", source="f:3"))
    assert masked.row.prompt == "the key <SECRET_1> fails"
    assert masked.row.completion == "Use <SECRET_1> again"
    assert masked.secrets == ("aws",)
    assert (masked.row.group, masked.row.source) == ("g", "f:3")


def test_a_password_that_only_the_prompt_names_is_masked_in_the_answer_too() -> None:
    row = mask(make("the password is Sommer2024", "I try Sommer2024 now")).row
    assert (row.prompt, row.completion) == ("the password is <SECRET_1>", "I try <SECRET_1> now")


def test_a_placeholder_that_was_there_before_is_not_used_again() -> None:
    masked = mask(make("<EMAIL_1> wrote to a@example.com", "ok"))
    assert masked.row.prompt == "<EMAIL_1> wrote to <EMAIL_2>"


def test_a_row_without_finds_is_the_same_row() -> None:
    row = make("order 90847 of 2026-11-23", '{"order":"90847"}')
    assert MASK.treat(row) == (row, ())
    assert MASK.treat(row).row is row


def test_each_kind_follows_its_own_policy() -> None:
    policies = Privacy("mask", {"email": "keep", "phone": "pseudonymise", "url": "mask"}, b"k")
    row = make("bo@example.com +44 7700 900461 8.8.4.4 https://example.com/bo", "ok")
    treated = policies.treat(row)
    assert treated.row is not None
    words = treated.row.prompt.split()
    assert (words[0], words[-2], words[-1]) == ("bo@example.com", "<IP_1>", "<URL_1>")
    assert words[1] == "+44"
    assert words[1:4] != ["+44", "7700", "900461"]
    actions = {f.kind: f.action for f in treated.found}
    assert actions == {
        "email": "kept",
        "phone": "pseudonymised",
        "ip": "masked",
        "url": "masked",
    }


def test_a_url_is_kept_unless_named_and_an_address_within_it_is_not() -> None:
    row = make("see https://example.com/a?to=bo@example.com and https://example.org/", "ok")
    treated = MASK.treat(row)
    assert treated.row is not None
    assert treated.row.prompt == "see https://example.com/a?to=<EMAIL_1> and https://example.org/"


def test_a_kind_to_drop_drops_the_row() -> None:
    policies = Privacy("mask", {"cn_id": "drop", "secret": "drop"}, b"k")
    for text in (f"身份证{ID}和a@example.com", f"key {AWS}"):
        treated = policies.treat(make(text, "ok"))
        assert treated.row is None
        assert {f.action for f in treated.found} == {"dropped"}
        shown = policies.masked(make(text, "ok")).prompt
        assert ID not in shown
        assert AWS not in shown
    assert policies.treat(make("a@example.com", "ok")).row is not None


def test_keep_changes_nothing_and_tells_all() -> None:
    row = make(f"bo@example.com {AWS}", "ok")
    treated = Privacy("keep", {}, b"").treat(row)
    assert treated.row is row
    assert [f.action for f in treated.found] == ["kept", "kept"]


def test_secrets_are_masked_where_others_have_pseudonyms() -> None:
    treated = PSEUDONYMISE.treat(make(f"key {AWS}", "ok"))
    assert treated.row is not None
    assert treated.row.prompt == "key <SECRET_1>"
    assert treated.found[0].action == "masked"


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        Privacy("mask", {"e-mail": "keep"}, b"")
    assert "`e-mail`" in caught.value.what
    assert "nearest is `email`" in caught.value.fix


def test_pseudonyms_are_the_same_in_the_whole_data_set_and_only_with_the_key() -> None:
    rows = [make(f"{i}: {value}", "ok") for i in range(2) for value in WRITTEN]
    treated = [PSEUDONYMISE.treat(row).row for row in rows]
    texts = [row.prompt.partition(": ")[2] for row in treated if row]
    assert texts[: len(WRITTEN)] == texts[len(WRITTEN) :]
    assert all(text != value for text, value in zip(texts, WRITTEN, strict=False))
    other = Privacy("pseudonymise", {}, b"other").treat(rows[0]).row
    assert other is not None
    assert other.prompt.partition(": ")[2] != texts[0]


def test_one_phone_number_ends_alike_however_it_is_written() -> None:
    ends = {
        re.sub(r"\D", "", pseudonym("PHONE", value, b"k"))[-7:]
        for value in ("+44 7700 900461", "07700 900461", "00447700900461", "+44 (0)7700-900461")
    }
    assert len(ends) == 1


@pytest.mark.parametrize("value", WRITTEN)
def test_a_pseudonym_has_the_form_of_the_original(value: str) -> None:
    (span,) = pii.find(f"phone {value}")
    made = pseudonym(span.kind, value, b"k")
    if span.kind not in ("EMAIL", "IP"):
        assert re.sub(r"[0-9A-Za-z]", "#", made) == re.sub(r"[0-9A-Za-z]", "#", value)
    assert made != value


def test_pseudonyms_can_belong_to_nobody() -> None:
    chance = random.Random(1)
    documentation = [
        ipaddress.ip_network(net)
        for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
    ]
    for _ in range(300):
        key = chance.randbytes(16)
        assert re.search("@example[.](com|org)$", pseudonym("EMAIL", "bo@mail.net", key))
        assert pseudonym("URL", "https://a.b/c", key).startswith("https://example.com/")
        for value in ("8.8.4.4", "2620:fe::9a:fe"):
            made = ipaddress.ip_address(pseudonym("IP", value, key))
            assert any(made in net for net in documentation)
        american = pseudonym("PHONE", "+1 415-555-2671", key)
        assert re.fullmatch(r"\+1 [2-9]\d\d-555-01\d\d", american)
        assert re.fullmatch(r"\+49 00\d \d{7}", pseudonym("PHONE", "+49 170 5550132", key))
        assert re.fullmatch(r"000\d \d{7}", pseudonym("PHONE", "0170 5550132", key))
        assert re.fullmatch(r"100\d{8}", pseudonym("PHONE", "13812345678", key))
        card = pseudonym("CARD", "5555-5555-5555-4444", key).replace("-", "")
        assert card.startswith("400000")
        assert (len(card), luhn(card)) == (16, 0)
        iban = pseudonym("IBAN", "DE89 3704 0044 0532 0130 00", key).replace(" ", "")
        assert (iban[:2], iban[4:8], len(iban), mod97(iban)) == ("DE", "0000", 22, 1)
        assert pseudonym("SSN", "219-09-9999", key)[:3] in ("000", "666")
        number = pseudonym("CN_ID", ID, key)
        assert not is_region(number)
        assert number[17] == cn_check(number[:17])
        assert re.fullmatch(r"X00\d{6}", pseudonym("PASSPORT", "E12345678", key))


VALUES = st.sampled_from([*WRITTEN, AWS, "https://example.com/a", '"', "\\", "\n", "电话", ": 1,"])


@given(st.lists(VALUES | st.text(max_size=20), max_size=8), st.text(max_size=60))
def test_masking_never_fails_and_twice_is_once(parts: list[str], completion: str) -> None:
    prompt = " ".join(parts).encode(errors="ignore").decode()
    once = mask(make(prompt, completion.encode(errors="ignore").decode()))
    assert mask(once.row).row == once.row


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | VALUES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(VALUES, inner, max_size=3),
        max_leaves=8,
    ),
    st.booleans(),
    st.sampled_from([MASK, PSEUDONYMISE]),
)
def test_json_stays_json_of_the_same_shape(value: object, escaped: bool, privacy: Privacy) -> None:
    row = make("call +44 7700 900461", json.dumps([value], ensure_ascii=escaped))
    treated = privacy.treat(row).row
    assert treated is not None
    text = treated.completion
    json.loads(text)
    assert re.sub(r'"([^"\\]|\\.)*"|[-\d.eE+]+', "", text) == re.sub(
        r'"([^"\\]|\\.)*"|[-\d.eE+]+', "", row.completion
    )
    for written in WRITTEN:
        assert written not in text


def test_half_a_surrogate_pair_in_json_does_no_harm() -> None:
    row: Row = make("x", r'{"a": "\ud800 bo@example.com"}')
    treated = MASK.treat(row)
    assert treated.row is not None
    assert json.loads(treated.row.completion) == {"a": "\ud800 <EMAIL_1>"}
