"""Why a box has no GPU to offer, told by what the box shows; whether its torch fits its driver."""

from __future__ import annotations

import pytest

from engine.base.hardware import driver, torch_build
from engine.base.hardware.torch_build import TorchBuild

NVIDIA = {"sys/bus/pci/devices/0000:01:00.0/vendor": "0x10de\n"} | {
    "sys/bus/pci/devices/0000:01:00.0/class": "0x030000\n"
}
AUDIO = {name: text.replace("0x030000", "0x040300") for name, text in NVIDIA.items()}
AMD = {name: text.replace("0x10de", "0x1002") for name, text in NVIDIA.items()}
WSL = {"proc/sys/kernel/osrelease": "5.15.153.1-microsoft-standard-WSL2\n"}
DOCKER = {".dockerenv": ""}


def folder(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("files", "words", "fix"),
    [
        ({}, "no NVIDIA driver on this box", ""),
        (NVIDIA, "though it has an NVIDIA GPU", "ubuntu-drivers install"),
        (NVIDIA | {"sys/module/nouveau/x": ""}, "nouveau", "ubuntu-drivers install"),
        (AUDIO, "no NVIDIA driver on this box", ""),
        (AMD, "AMD", ""),
        (DOCKER, "in this container", "docker run --gpus all"),
        (NVIDIA | DOCKER, "the host has an NVIDIA GPU", "docker run --gpus all"),
        ({"proc/1/cgroup": "0::/kubepods/pod1\n"}, "in this container", "docker run"),
        (WSL, "WSL takes that of Windows", "wsl --shutdown"),
        (WSL | {"usr/lib/wsl/lib/libnvidia-ml.so.1": ""}, "library path", "LD_LIBRARY_PATH"),
    ],
)
def test_a_missing_library_is_explained_by_what_the_box_shows(tmp_path, files, words, fix):
    what, mends = driver.explain(driver.LIBRARY_NOT_FOUND, folder(tmp_path, files))
    assert words in what
    assert fix in mends
    assert bool(fix) == bool(mends)


@pytest.mark.parametrize(
    "code", [2, 3, 4, 8, 9, 10, 11, 13, 15, 16, 17, 18, 19, 20, 27, 999, 12345]
)
@pytest.mark.parametrize("files", [{}, DOCKER], ids=["box", "container"])
def test_every_error_has_words_and_a_way_out(tmp_path, code, files):
    what, fix = driver.explain(code, folder(tmp_path, files))
    assert what
    assert not what.endswith(".")
    assert fix.endswith(".")
    what, fix = driver.fault(code, 3)
    assert what.endswith(".")
    assert fix
    assert "{" not in fix


def test_a_reset_names_the_board():
    assert "-i 3" in driver.fault(driver.RESET_REQUIRED, 3)[1]


TODAY = TorchBuild("2.13.0", (13, 0))
LEGACY = TorchBuild("2.13.0+cu126", (12, 6))


@pytest.mark.parametrize(
    ("build", "cuda", "capability", "words", "fix"),
    [
        (TODAY, (13, 0), (8, 9), None, None),
        (TODAY, (13, 1), (12, 0), None, None),
        (TODAY, None, None, None, None),
        (LEGACY, (13, 0), (6, 1), None, None),
        (LEGACY, (12, 2), (9, 0), None, None),  # any driver of the major version runs it
        (TODAY, (12, 4), (8, 9), "too new for the driver", "580"),
        (TODAY, (12, 4), (8, 9), "CUDA 12.4 at most", "cu126"),
        (LEGACY, (11, 4), (8, 6), "too new for the driver", "525"),
        (TODAY, (13, 0), (7, 0), "no kernels for compute capability 7.0", "cu126"),
        (LEGACY, (13, 0), (12, 0), "no kernels for compute capability 12.0", "cu130"),
        (TorchBuild("2.13.0+cpu", None), (13, 0), (8, 9), "the CPU build", "cu130"),
        (TorchBuild("2.13.0+cpu", None), (12, 4), (8, 9), "the CPU build", "cu126"),
        (TorchBuild("2.13.0+cpu", None), (13, 0), (7, 0), "the CPU build", "cu126"),
        (TorchBuild("2.13.0+rocm7.0", None, hip=True), (13, 0), (8, 9), "for AMD", "cu130"),
    ],
)
def test_torch_is_held_against_driver_and_gpu(build, cuda, capability, words, fix):
    found = torch_build.mismatch(build, cuda, capability)
    if words is None:
        assert found is None
    else:
        assert found is not None
        assert words in found[0]
        assert fix in found[1]


WHEEL = """from typing import Optional
__all__ = ['__version__', 'cuda']
__version__ = '2.13.0+cu130'
cuda: Optional[str] = '13.0'
hip: Optional[str] = None
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            WHEEL,
            TorchBuild("2.13.0+cu130", (13, 0)),
        ),
        ("__version__ = '2.5.1'\ncuda = '12.4'\n", TorchBuild("2.5.1", (12, 4))),
        (
            "__version__ = '2.13.0+rocm7.0'\ncuda: Optional[str] = None\nhip = '7.0.51831'\n",
            TorchBuild("2.13.0+rocm7.0", None, hip=True),
        ),
        ("nothing\n", None),
    ],
)
def test_the_build_is_read_from_torch_s_own_text(tmp_path, text, expected):
    file = tmp_path / "version.py"
    file.write_text(text, encoding="utf-8")
    assert torch_build.read(file) == expected
    assert torch_build.read(tmp_path / "missing.py") is None


def test_the_installed_torch_is_found_without_loading_it():
    from importlib.metadata import version

    found = torch_build.installed()
    assert found is not None
    assert found.version.partition("+")[0] == version("torch").partition("+")[0]
