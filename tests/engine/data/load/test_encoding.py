from __future__ import annotations

import io
import json

import pytest

from engine.data.load.encoding import decoded, sniff
from engine.data.rows import Problem, Row

from .conftest import Reading

ENGLISH = "Where is my parcel? It should have been here on Tuesday."
TEXTS = {
    "gb18030": "请问我的包裹在哪里？它应该在星期二就到了，可是现在还没有收到。",
    "big5": "請問我的包裹在哪裡？它應該在星期二就到了，可是現在還沒有收到。",
    "shift_jis": "私の荷物はどこにありますか。火曜日に届くはずでした。",
    "euc_jp": "私の荷物はどこにありますか。火曜日に届くはずでした。",
    "euc_kr": "제 소포는 어디에 있나요? 화요일에 도착했어야 합니다.",
    "cp1252": "Wo ist mein Päckchen? Es hätte am Dienstag hier sein müssen – für 5 €.",
    "cp1250": "Gdzie jest moja przesyłka? Miała być we wtorek, a wciąż jej nie ma; proszę sprawdzić.",
    "cp1254": "Paketim nerede? Salı günü burada olması gerekiyordu, hâlâ gelmedi; lütfen bakın, kızgınım.",
    "cp1251": "Где моя посылка? Она должна была прийти во вторник.",
}
WIDE = ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "utf-8-sig"]


@pytest.mark.parametrize("code", TEXTS)
@pytest.mark.parametrize("before", [0, 200_000])
def test_old_encodings_are_told_from_the_text(code: str, before: int) -> None:
    text = "plain words\n" * (before // 12) + f"{ENGLISH}\n{TEXTS[code]}\n"
    data = text.encode(code)
    assert "".join(decoded(io.BytesIO(data), sniff(io.BytesIO(data)))) == text


@pytest.mark.parametrize("text", [ENGLISH, *TEXTS.values()])
@pytest.mark.parametrize("code", WIDE)
def test_wide_encodings_are_told_with_and_without_a_mark(
    reading: Reading, code: str, text: str
) -> None:
    line = json.dumps({"prompt": text, "completion": "x"}, ensure_ascii=False) + "\n"
    found = reading("rows.jsonl", (line * 2).encode(code))
    assert [item.prompt for item in found if isinstance(item, Row)] == [text, text]


@pytest.mark.parametrize("code", ["gb18030", "cp1252", "utf-16"])
@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl"])
def test_every_text_container_takes_every_encoding(
    reading: Reading, code: str, suffix: str
) -> None:
    text = TEXTS.get(code, ENGLISH)
    row = {"prompt": text, "completion": "x"}
    line = json.dumps(row, ensure_ascii=False)
    content = {"csv": f'prompt,completion\n"{text}",x\n', "json": f"[{line}]", "jsonl": line}[
        suffix
    ]
    (found,) = reading(f"rows.{suffix}", content.encode(code))
    assert isinstance(found, Row)
    assert found.prompt == text


def test_the_encoding_may_be_named(reading: Reading) -> None:
    from engine.base.errors import UsageError
    from engine.base.project import Mapping

    content = '{"prompt": "Πού είναι το δέμα μου;", "completion": "x"}'
    (row,) = reading("rows.jsonl", content.encode("iso-8859-7"), Mapping(encoding="ISO-8859-7"))
    assert isinstance(row, Row)
    assert row.prompt == "Πού είναι το δέμα μου;"
    for name in ("klingon", "rot13", "zlib", "idna\0"):
        with pytest.raises(UsageError, match="no encoding called"):
            reading("rows.jsonl", content, Mapping(encoding=name))


def test_a_few_bad_bytes_do_not_make_it_another_encoding() -> None:
    lines = [f"{number} größe 你好" for number in range(20)]
    data = "\n".join(lines).encode() + b"\nhalf \xe4\xbd\n"
    assert sniff(io.BytesIO(data)) == "utf-8"


def test_a_nul_in_a_utf8_file_is_a_problem_of_its_line(reading: Reading) -> None:
    good = '{"prompt": "你好吗", "completion": "b"}\n'
    found = reading("rows.jsonl", good + good.replace("b", "b\0") + good)
    bad = [item for item in found if isinstance(item, Problem)]
    assert len(bad) == 1
    assert bad[0].row == 2
    assert bad[0].repaired is not None


def test_a_character_may_lie_across_two_pieces(reading: Reading) -> None:
    text = "你" * (1 << 20)
    (row,) = reading(
        "rows.jsonl", json.dumps({"prompt": text, "completion": "x"}, ensure_ascii=False)
    )
    assert isinstance(row, Row)
    assert row.prompt == text
