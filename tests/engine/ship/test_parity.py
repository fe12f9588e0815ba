import pytest

from engine.ship.parity import Parity, gate, judged


def _parity(result, reasons=()):
    return Parity("F16", result, reasons, 75, 1700, 1.0, 0.0, 0.9, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("kind", "share", "difference", "low", "expected"),
    [
        ("F16", 0.999, 0.0, 0.0, "pass"),
        ("F16", 0.989, 0.0, 0.0, "fail"),
        ("F16", 0.999, -0.03, -0.08, "pass"),
        ("F16", 0.999, -0.06, -0.12, "fail"),
        ("Q8_0", 0.98, 0.0, -0.05, "pass"),
        ("Q8_0", 0.97, -0.01, -0.04, "pass"),
        ("Q8_0", 0.96, 0.0, 0.0, "warn"),
        ("Q8_0", 0.98, -0.02, -0.06, "warn"),
        ("Q4_K_M", 0.89, 0.0, 0.0, "fail"),
        ("Q4_K_M", 0.98, -0.06, -0.12, "fail"),
    ],
)
def test_what_the_figures_of_a_file_mean(kind, share, difference, low, expected):
    result, reasons = judged(kind, [], share, difference=difference, low=low)
    assert result == expected
    assert bool(reasons) == (expected != "pass")


def test_another_tokenizer_fails_whatever_the_figures_say():
    result, reasons = judged("Q8_0", ["The chat template differs."], 1.0, difference=0.0, low=0.0)
    assert result == "fail"
    assert reasons == ("The chat template differs.",)


def test_the_gate_fails_only_when_no_file_passed():
    assert gate({"F16": _parity("pass"), "Q8_0": _parity("pass")}).result == "pass"
    some = gate({"F16": _parity("pass"), "Q4_0": _parity("fail", ("Only 80 % agree.",))})
    assert some.result == "warn"
    assert some.reasons == ("Q4_0: Only 80 % agree.",)
    none = gate({"F16": _parity("fail", ("bad.",)), "Q8_0": _parity("warn", ("so so.",))})
    assert none.result == "fail"
    assert none.reasons == ("No file passed.", "F16: bad.", "Q8_0: so so.")
