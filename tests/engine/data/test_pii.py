from __future__ import annotations

import pytest

from engine.data.pii import find

FOUND = [
    ("write to l.fontaine+x@mail.example.fr.", "EMAIL", "l.fontaine+x@mail.example.fr"),
    ("邮箱是abc@example.cn谢谢", "EMAIL", "abc@example.cn"),
    ("call +44 7700 900461 please", "PHONE", "+44 7700 900461"),
    ("(0044 7700 900461)", "PHONE", "0044 7700 900461"),
    ("text me, (415) 555-0132", "PHONE", "(415) 555-0132"),
    ("or 415.555.0132!", "PHONE", "415.555.0132"),
    ("1-800-555-0199", "PHONE", "1-800-555-0199"),
    ("Tel. 020 7946 0958", "PHONE", "020 7946 0958"),
    ("ring 030 23125 017 after 5pm", "PHONE", "030 23125 017"),
    ("07700900461", "PHONE", "07700900461"),
    ("06 12 34 56 78", None, ""),
    ("+33 1 99 00 48 21 is my number", "PHONE", "+33 1 99 00 48 21"),
    ("电话13812345678", "PHONE", "13812345678"),
    ("my mobile is 4155550132", "PHONE", "4155550132"),
    ("Visa 4111 1111 1111 1111, thanks", "CARD", "4111 1111 1111 1111"),
    ("378282246310005", "CARD", "378282246310005"),
    ("to DE89 3704 0044 0532 0130 00 PLEASE", "IBAN", "DE89 3704 0044 0532 0130 00"),
    ("GB82WEST12345698765432", "IBAN", "GB82WEST12345698765432"),
]


@pytest.mark.parametrize(("text", "kind", "value"), [case for case in FOUND if case[1]])
def test_personal_data_is_found_whole(text: str, kind: str, value: str) -> None:
    assert [(span.kind, text[span.start : span.end]) for span in find(text)] == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "order 90847 and order 82197",
        "order number 4155550132",
        "order no. 555-0132",
        "on 2026-11-23, 23.11.2026, 11/23/2026 or 5-6-26",
        "2026-11-23 10:45:00",
        "2 × 156 euro, 1,299.00 and 12.50",
        "tracking 1Z999AA10123456784",
        "parcel 4111 1111 1111 1112 is late",
        "serial 123456789012345",
        "DE89 3704 0044 0532 0130 01",
        "between 10 and 12 or 14-16 h, 3 of 4",
        "version 1.2.3, ip 192.168.0.1",
        "the size is 20x30 cm, 8.5mm not 8",
        "ISBN 978-3-16-148410-0",
        "@home, a@b, me at example dot com",
    ],
)
def test_orders_dates_prices_and_numbers_are_no_personal_data(text: str) -> None:
    assert find(text) == []
