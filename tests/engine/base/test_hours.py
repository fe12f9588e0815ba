import time

import pytest

from engine.base.errors import UsageError
from engine.base.hours import Hours, allow


def _at(clock):
    return time.mktime(time.strptime(f"2026-03-10 {clock}", "%Y-%m-%d %H:%M"))


@pytest.mark.parametrize(
    ("hours", "inside", "outside"),
    [
        ("22:00-07:00", ("22:00", "23:59", "00:00", "06:59"), ("07:00", "12:00", "21:59")),
        ("9:30-17:00", ("09:30", "16:59"), ("09:29", "17:00", "00:00")),
        ("23:00-00:00", ("23:00", "23:59"), ("00:00", "22:59")),
    ],
)
def test_the_first_minute_belongs_to_them_and_the_last_does_not(hours, inside, outside):
    for clock in inside:
        assert Hours.parse(hours).open(_at(clock)), clock
    for clock in outside:
        assert not Hours.parse(hours).open(_at(clock)), clock


def test_a_job_without_hours_may_work_always():
    assert allow(None, _at("03:00"))
    assert not allow("22:00-23:00", _at("03:00"))


def test_they_are_written_in_one_form():
    assert str(Hours.parse(" 9:05-7:00 ")) == "09:05-07:00"
    assert Hours.parse("9:05-7:00").opening == "09:05"


@pytest.mark.parametrize("text", ["", "night", "22-7", "24:00-07:00", "22:60-07:00", "22:00-22:00"])
def test_what_are_no_hours_is_refused_with_the_way_out(text):
    with pytest.raises(UsageError) as caught:
        Hours.parse(text)
    assert "--hours" in caught.value.fix or "Leave them out" in caught.value.fix
