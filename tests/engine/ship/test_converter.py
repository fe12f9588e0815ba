import io
import tarfile

import pytest

from engine.base.errors import TunesmithError
from engine.ship import converter

ROOT = "llama_cpp_python-0.3.36"
INSIDE = f"{ROOT}/vendor/llama.cpp"


def _sdist(path, files, links=()):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, target in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return path


def _names(folder):
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def test_only_the_converters_own_files_are_unpacked(tmp_path):
    sdist = _sdist(
        tmp_path / "s.tar.gz",
        {
            f"{INSIDE}/convert_hf_to_gguf.py": b"1",
            f"{INSIDE}/conversion/base.py": b"2",
            f"{INSIDE}/gguf-py/gguf/__init__.py": b"3",
            f"{INSIDE}/gguf-py/tests/test_x.py": b"4",
            f"{INSIDE}/convert_hf_to_gguf_update.py": b"5",
            f"{INSIDE}/src/llama.cpp": b"6",
            f"{ROOT}/setup.py": b"7",
        },
    )
    converter.unpack(sdist, tmp_path / "out")
    assert _names(tmp_path / "out") == {
        "convert_hf_to_gguf.py",
        "conversion/base.py",
        "gguf-py/gguf/__init__.py",
    }


def test_nothing_is_written_outside_and_no_link_is_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    sdist = _sdist(
        tmp_path / "s.tar.gz",
        {
            f"{INSIDE}/convert_hf_to_gguf.py": b"1",
            f"{INSIDE}/conversion/../../../../../victim/a.py": b"evil",
            f"{INSIDE}/conversion/../evil.py": b"evil",
            "/vendor/llama.cpp/convert_hf_to_gguf.py": b"1",
        },
        links=[(f"{INSIDE}/conversion/l", str(victim)), (f"{INSIDE}/gguf-py/gguf/l", "../../..")],
    )
    converter.unpack(sdist, tmp_path / "out")
    assert _names(tmp_path / "out") == {"convert_hf_to_gguf.py"}
    assert not list(victim.iterdir())
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_symlink()]


def test_an_archive_without_the_converter_leaves_nothing(tmp_path):
    sdist = _sdist(tmp_path / "s.tar.gz", {f"{INSIDE}/conversion/base.py": b"2"})
    with pytest.raises(TunesmithError, match="cannot be unpacked"):
        converter.unpack(sdist, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_cut_archive_is_told_and_leaves_nothing(tmp_path):
    sdist = _sdist(tmp_path / "s.tar.gz", {f"{INSIDE}/convert_hf_to_gguf.py": bytes(90_000)})
    sdist.write_bytes(sdist.read_bytes()[:-30])
    with pytest.raises(TunesmithError, match="cannot be unpacked"):
        converter.unpack(sdist, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_package_under_the_pinned_name_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path))
    _sdist(
        tmp_path / "wheels" / "llama_cpp_python-0.3.36.tar.gz",
        {f"{INSIDE}/convert_hf_to_gguf.py": b"print('mine now')"},
    )
    with pytest.raises(TunesmithError, match="not the llama-cpp-python"):
        converter.ensure("0.3.36")
    assert not (tmp_path / "llama.cpp-0.3.36").exists()


def test_what_is_in_the_cache_is_used_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path))
    folder = tmp_path / "llama.cpp-9.9.9"
    folder.mkdir()
    (folder / "convert_hf_to_gguf.py").touch()
    assert converter.ensure("9.9.9") == folder


def test_a_model_that_cannot_be_converted_ends_in_one_sentence(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text('{"architectures": ["NoSuchModel"]}')
    with pytest.raises(TunesmithError, match=r"converter refused the model: .*NoSuchModel"):
        converter.convert(model, tmp_path / "x.gguf", "f16", log=tmp_path / "log")
    assert "NoSuchModel" in (tmp_path / "log").read_text()
    assert [path.name for path in tmp_path.iterdir() if "gguf" in path.name] == []


def test_a_stop_ends_the_converter_at_once(tmp_path):
    class StopError(Exception):
        pass

    def stop():
        raise StopError

    with pytest.raises(StopError):
        converter.convert(tmp_path, tmp_path / "x.gguf", "f16", log=tmp_path / "log", check=stop)
