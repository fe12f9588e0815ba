import pytest

from engine.base.errors import TunesmithError, UsageError
from engine.ship import gguf


def test_f16_always_comes_first_and_no_type_twice():
    assert gguf.checked(["Q8_0", "F16", "Q8_0"]) == ("F16", "Q8_0")
    assert gguf.checked(["Q6_K"]) == ("F16", "Q6_K")


def test_an_unknown_type_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean Q6_K"):
        gguf.checked(["q6k"])


def test_a_file_that_is_no_gguf_is_refused_and_leaves_nothing(tmp_path):
    source = tmp_path / "a.gguf"
    source.write_bytes(b"not a model")
    with pytest.raises(TunesmithError, match="cannot make Q8_0"):
        gguf.quantise(source, tmp_path / "b.gguf", "Q8_0")
    assert not (tmp_path / "b.gguf").exists()


def test_a_quantised_file_is_smaller_and_answers(exported, tmp_path):
    from engine.ship.runtime import Runtime

    out = tmp_path / "q.gguf"
    gguf.quantise(exported.f16, out, "Q8_0")
    assert out.stat().st_size < 0.6 * exported.f16.stat().st_size
    with Runtime(out, context=64) as runtime:
        assert len(list(runtime.continued(runtime.encode("Once upon a"), 5))) == 5
