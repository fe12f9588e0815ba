"""llama.cpp's own converter, of exactly the version that the installed library was built from.

The wheel of llama-cpp-python does not carry it, but its source package on PyPI does: the script
`convert_hf_to_gguf.py` with `conversion/` and `gguf-py/`. Those, and nothing else, are unpacked
once into the cache. The script runs in a process of its own with a module path of its own, so its
`gguf` never meets the one installed here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from importlib.metadata import version as installed
from pathlib import Path, PurePosixPath

from engine.base.errors import TunesmithError
from engine.base.files import atomic, sha256
from engine.base.paths import cache

_SCRIPT = "convert_hf_to_gguf.py"
_WANTED = (_SCRIPT, "LICENSE", "conversion/", "gguf-py/gguf/", "gguf-py/LICENSE")
_INSIDE = PurePosixPath("vendor/llama.cpp")
_SHA256 = {"0.3.36": "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"}
_POLL_SECONDS = 0.5


def ensure(version: str = "") -> Path:
    """Return the folder of the converter; unpack or fetch it when it is not there yet.

    Args:
        version: The version of llama-cpp-python; the installed one when empty.

    Raises:
        TunesmithError: The source package cannot be had, or is not the one that was pinned.
    """
    version = version or installed("llama-cpp-python")
    folder = cache() / f"llama.cpp-{version}"
    if not (folder / _SCRIPT).is_file():
        sdist = cache() / "wheels" / f"llama_cpp_python-{version}.tar.gz"
        if not sdist.is_file():
            _download(version, sdist.parent)
        _verify(sdist, version)
        unpack(sdist, folder)
    return folder


def convert(
    model: Path,
    out: Path,
    outtype: str,
    *,
    log: Path,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Convert a merged model folder to one GGUF file, written in one step.

    Args:
        model: The folder, with weights and tokenizer; no code of its own is in it or is run.
        out: The file to write.
        outtype: `f16`, `bf16`, `f32` or `q8_0`.
        log: The file that takes what the converter prints.
        check: Called twice a second; whatever it raises ends the conversion.

    Raises:
        TunesmithError: The converter refused; with the line in which it says why.
    """
    folder = ensure()
    log.parent.mkdir(parents=True, exist_ok=True)
    with atomic(out) as temporary, log.open("ab") as stream:
        start = stream.tell()
        process = subprocess.Popen(
            [
                *(sys.executable, "-P", str(folder / _SCRIPT), str(model)),
                *("--outfile", str(temporary), "--outtype", outtype),
            ],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env=_environment(folder),
        )
        if _wait(process, check) != 0 or not temporary.is_file():
            raise TunesmithError(
                f"llama.cpp's converter refused the model: {_last_line(log, start)}",
                "Its whole output is in that file; not every model can become a GGUF.",
                str(log),
            )


def unpack(sdist: Path, folder: Path) -> None:
    """Unpack the converter's files out of a source package, all or nothing.

    Only regular files below the wanted names are written; links, devices and names that point
    outside are left in the archive.

    Raises:
        TunesmithError: The archive is damaged or holds no converter.
    """
    try:
        with tarfile.open(sdist) as archive, atomic(folder) as temporary:
            for member in archive:
                name = _wanted(member)
                if name is not None:
                    content = archive.extractfile(member)
                    assert content is not None  # it is a regular file
                    target = temporary / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content.read())
            if not (temporary / _SCRIPT).is_file():
                raise tarfile.ReadError(f"it holds no {_SCRIPT}")
    except (tarfile.TarError, EOFError) as error:
        raise TunesmithError(
            f"The converter cannot be unpacked ({error}).",
            "Remove that file and export again; it is then fetched anew.",
            str(sdist),
        ) from error


def _wanted(member: tarfile.TarInfo) -> str | None:
    """Return the path inside the converter's folder, or None for what is not unpacked."""
    parts = PurePosixPath(member.name).parts
    inside = _INSIDE.parts
    if not member.isfile() or ".." in parts or parts[1 : 1 + len(inside)] != inside:
        return None
    name = "/".join(parts[1 + len(inside) :])
    wanted = any(name.startswith(w) if w.endswith("/") else name == w for w in _WANTED)
    return name if wanted else None


def _download(version: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
            *("--no-binary", "llama-cpp-python", "--dest", str(folder)),
            f"llama-cpp-python=={version}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if not (folder / f"llama_cpp_python-{version}.tar.gz").is_file():
        lines = done.stderr.strip().splitlines()
        raise TunesmithError(
            f"The GGUF converter cannot be fetched ({lines[-1] if lines else 'pip says nothing'}).",
            f"With a network: `{Path(sys.executable).name} -m pip download --no-deps --no-binary "
            f":all: llama-cpp-python=={version}`, and put the file there.",
            str(folder),
        )


def _verify(sdist: Path, version: str) -> None:
    """A version that this release does not pin comes from the index pip trusts, checked by pip."""
    expected = _SHA256.get(version)
    if expected and sha256(sdist) != expected:
        raise TunesmithError(
            f"This is not the llama-cpp-python {version} that Tunesmith was made with.",
            "Remove that file and export again; it is then fetched anew.",
            str(sdist),
        )


def _environment(folder: Path) -> dict[str, str]:
    """Return the converter's surroundings: its own modules first, no hub, no token."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {"NO_LOCAL_GGUF", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}
    }
    path = os.pathsep.join([str(folder), str(folder / "gguf-py")])
    return {**kept, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def _wait(process: subprocess.Popen[bytes], check: Callable[[], None]) -> int:
    try:
        while True:
            try:
                return process.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                check()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _last_line(log: Path, start: int) -> str:
    """Return the last line of this run that says something; of a traceback that is the error."""
    with log.open("rb") as stream:
        stream.seek(start)
        lines = stream.read().decode(errors="replace").splitlines()
    said = [line.strip() for line in lines if line.strip(" \t-=*#!")]
    return said[-1][:300] if said else "it ended without a word"
