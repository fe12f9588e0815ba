"""The curve of a range test, as lines of text."""

from __future__ import annotations

from tui import rate_chart


def points(losses, low=-6):
    return [
        {"rate": 10 ** (low + at / 10), "smoothed": loss, "loss": loss}
        for at, loss in enumerate(losses)
    ]


def test_the_curve_falls_from_left_to_right_over_its_decades():
    drawn = rate_chart.lines(points([3 - at / 20 for at in range(51)]), {}, 78, 10)
    plot = drawn[:10]
    assert plot[0][8:].strip()
    assert not plot[0][60:].strip()
    assert plot[-1][60:].strip()
    assert [f"1e-{power}" in drawn[-1] for power in range(1, 7)] == [True] * 6
    assert max(map(len, drawn)) <= 78


def test_an_explosion_does_not_flatten_the_rest():
    drawn = rate_chart.lines(points([3.0, 2.5, 2.0, 1.0, 1.0, 900.0]), {}, 60, 8)
    assert not any("900" in line or "500" in line for line in drawn)


def test_marks_point_at_their_rates_and_those_outside_are_left_out():
    drawn = rate_chart.lines(points([2.0] * 31), {"◆": 1e-4, "○": 1.0}, 60, 6)
    line = next(line for line in drawn if "◆" in line)
    assert abs(line.index("◆") - drawn[-1].index("1e-4")) <= 2
    assert not any("○" in line for line in drawn)


def test_values_that_were_no_number_are_left_out():
    assert rate_chart.lines(points([2.0, 1.0])[:1], {}, 60, 6) == []
    broken = [*points([3.0, 2.0]), {"rate": 1.0, "smoothed": None, "loss": None}]
    assert rate_chart.lines(broken, {}, 60, 6)
