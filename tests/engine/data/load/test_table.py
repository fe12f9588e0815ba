from __future__ import annotations

import csv
import io

import pytest

from engine.data.rows import Problem, Row

from .conftest import Reading

CELLS = [
    ("Plain", "text"),
    ("a, b; c | d", "with\ta tab"),
    ("two\nlines", 'she said "yes"'),
    ("你好，世界；好", "größe"),
    (" blanks ", "it's"),
]


def told(found: list[Row | Problem]) -> list[tuple[str, str] | str]:
    return [(i.prompt, i.completion) if isinstance(i, Row) else i.what for i in found]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_any_delimiter_line_end_and_quoting(
    reading: Reading, delimiter: str, end: str, quoting: int
) -> None:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow(["id", "question", "answer"])
    for number, cells in enumerate(CELLS):
        writer.writerow([number, *cells])
    found = reading("rows.csv", stream.getvalue())
    assert told(found) == CELLS
    assert [item.source for item in found if isinstance(item, Row)] == [
        f"rows.csv:{line}" for line in (2, 3, 4, 6, 7)
    ]


def test_old_line_ends_and_a_named_delimiter(reading: Reading) -> None:
    assert told(reading("rows.csv", "prompt,completion\ra,b\rc,d\r")) == [("a", "b"), ("c", "d")]
    assert told(reading("rows.csv", "sep=|\nprompt|completion\na,x|b\n")) == [("a,x", "b")]


def test_rows_that_are_broken_are_named_and_the_others_read(reading: Reading) -> None:
    content = 'prompt,completion\na,b\nlone\n1,2,3\nc,d,,\n"x"y,z\ne,f\n"open,q\ng,h\n\n'
    found = reading("rows.csv", content)
    assert told(found) == [
        ("a", "b"),
        "The row has 1 cells, the header 2.",
        "The row has 3 cells, the header 2.",
        ("c", "d"),
        "A quote stands within a quoted cell.",
        ("e", "f"),
        "A quote that opens on this line is never closed.",
        ("g", "h"),
    ]
    assert [item.row for item in found if isinstance(item, Problem)] == [3, 4, 6, 8]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("Where is it?,Over there.\nWho?,Me.\n", "does not name the columns"),
        ("1,2\n3,4\n", "does not name the columns"),
        ("prompt,completion,prompt\na,b,c\n", "Two columns are called `prompt`"),
        ("colour,price\na,b\nc,d\n", "the record has colour, price"),
        ("prompt,completion\n", "one row only"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_problem(
    reading: Reading, content: str, words: str
) -> None:
    (problem,) = reading("rows.csv", content)
    assert isinstance(problem, Problem)
    assert words in problem.what


@pytest.mark.parametrize("word", ["", "nan", "NaN", "NULL", "null", "None", "<NA>", "#N/A", " "])
def test_what_tables_write_for_nothing_is_no_text(reading: Reading, word: str) -> None:
    rows = "".join(f"question {n},a long answer {n},\n" for n in range(200))
    found = reading("rows.csv", f"prompt,completion,group\n{rows}a,{word},\nb,c,{word}\n")
    assert isinstance(found[-2], Problem)
    assert "`completion` is empty" in found[-2].what
    last = found[-1]
    assert isinstance(last, Row)
    assert last.group == last.id


def test_none_may_be_a_label(reading: Reading) -> None:
    rows = "".join(f"text {n},{('None', 'refund', 'login')[n % 3]}\n" for n in range(30))
    found = reading("rows.csv", f"text,label\n{rows}text,nan\n")
    assert [item.completion for item in found[:3] if isinstance(item, Row)] == [
        "None",
        "refund",
        "login",
    ]
    assert isinstance(found[-1], Problem)


def test_numbers_and_truth_are_labels(reading: Reading) -> None:
    assert told(reading("rows.tsv", "sentence\tlabel\ngood\t1\nbad\tTrue\n")) == [
        ("good", "1"),
        ("bad", "True"),
    ]


@pytest.mark.parametrize(
    "cell",
    [
        '[{"role": "user", "content": "it\'s a"}, {"role": "assistant", "content": "b"}]',
        "[{'role': 'user', 'content': \"it's a\"}, {'role': 'assistant', 'content': 'b'}]",
        "[{'role': 'user', 'content': \"it's a\"}\n {'role': 'assistant', 'content': 'b'}]",
        "[{'content': \"it's a\", 'role': 'user'} {'content': 'b', 'role': 'assistant'}]",
    ],
)
def test_a_conversation_in_a_cell_is_opened(reading: Reading, cell: str) -> None:
    stream = io.StringIO()
    csv.writer(stream).writerows([["id", "messages"], [1, cell]])
    assert told(reading("rows.csv", stream.getvalue())) == [("it's a", "b")]


def test_json_answers_in_cells_stay_as_they_are(reading: Reading) -> None:
    stream = io.StringIO()
    csv.writer(stream).writerows([["prompt", "completion"], ["a", '{"x":  1}']])
    assert told(reading("rows.csv", stream.getvalue())) == [("a", '{"x":  1}')]


def test_a_table_may_have_one_column(reading: Reading) -> None:
    texts = ["one, two; three", "no sign", "a | b"]
    found = reading("rows.tsv", "text\n" + "\n".join(texts) + "\n")
    assert [item.completion for item in found if isinstance(item, Row)] == texts


def test_columns_without_a_name_or_a_use_do_no_harm(reading: Reading) -> None:
    content = ",prompt,note,completion,note,,\n0,a,x,b,y,,\n1,c,x,d,y\n"
    found = reading("rows.csv", content)
    assert told(found) == [("a", "b"), ("c", "d")]
    assert all(isinstance(item, Row) and item.group == item.id for item in found)


def test_other_ways_to_quote(reading: Reading) -> None:
    escaped = 'prompt,completion\n"she said \\"hi\\", so",b\nc,d\n'
    assert told(reading("rows.csv", escaped)) == [('she said "hi", so', "b"), ("c", "d")]
    spaced = '"prompt", "completion"\n"a, x", "b"\n"c", "d"\n'
    assert told(reading("rows.csv", spaced)) == [("a, x", "b"), ("c", "d")]
    bare = 'prompt\tcompletion\n"so" they say\tb\nc\td\n'
    assert told(reading("rows.tsv", bare)) == [('"so" they say', "b"), ("c", "d")]
