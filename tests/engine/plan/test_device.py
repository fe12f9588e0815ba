"""The training device: the best of this box, or a GPU that is only named."""

from __future__ import annotations

import subprocess
import sys

import pytest

from engine.base.errors import UsageError
from engine.base.hardware.machine import Gpu, Machine
from engine.plan import cards, device

GB, GIB = 10**9, 1 << 30


def box(*gpus: Gpu) -> Machine:
    return Machine("EPYC", 4, True, 24 * GB, 20 * GB, gpus, "" if gpus else "no driver")


def gpu(name: str, total: int = 24 * GIB, free: int | None = None, index: int = 0, **more) -> Gpu:
    return Gpu(index, name, total, total if free is None else free, 0, 40, 50.0, **more)


def test_without_a_gpu_the_cpu_is_the_device():
    found = device.choose(box())
    assert (found.name, found.kind, found.title) == ("cpu", "cpu", "EPYC")
    assert (found.free, found.total) == (20 * GB, 24 * GB)
    assert found.flops == 4 * 110e9
    assert not found.flash_attention


def test_the_gpu_with_the_most_free_memory_is_taken():
    found = device.choose(
        box(
            gpu("NVIDIA GeForce RTX 4090", free=3 * GIB),
            gpu("NVIDIA GeForce RTX 3060", 12 * GIB, index=1, capability=(8, 6)),
        )
    )
    assert (found.name, found.title) == ("gpu1", "NVIDIA GeForce RTX 3060")
    assert (found.free, found.total) == (12 * GIB, 12 * GIB)
    assert found.flops == 25.5e12
    assert found.flash_attention


def test_a_lowered_power_limit_counts_before_the_catalogue():
    found = device.choose(box(gpu("NVIDIA GeForce RTX 4090", power_limit=300.0)))
    assert found.watts == 270.0
    assert "300 W" in found.assumption
    assert device.choose(box(gpu("NVIDIA GeForce RTX 4090"))).watts == 405.0


def test_a_slice_has_its_part_of_the_board():
    part = gpu("NVIDIA A100-SXM4-40GB MIG 3g.20gb", 20 * GIB, slice=1, share=3 / 7)
    found = device.choose(box(part))
    assert found.name == "gpu0.1"
    assert found.flops == pytest.approx(312e12 * 3 / 7)
    assert found.watts == pytest.approx(0.9 * 400 * 3 / 7)
    assert "43 % of the board" in found.assumption


def test_a_gpu_that_no_table_knows_is_taken_for_a_usual_one_of_its_kind():
    old = device.choose(box(gpu("NVIDIA Quadro T9999", capability=(7, 5))))
    assert not old.bf16
    assert old.flops < 20e12
    assert "not in recipes/gpus.yaml" in old.assumption
    unknown = device.choose(box(gpu("NVIDIA Something")))
    assert (unknown.bf16, unknown.flops) == (True, 100e12)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("RTX 4090", "RTX 4090"),
        ("4090", "RTX 4090"),
        ("rtx4090", "RTX 4090"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("4090 laptop", "RTX 4090 Laptop"),
        ("3080ti", "RTX 3080 Ti"),
        ("4070 Ti Super", "RTX 4070 Ti SUPER"),
        ("RTX 3060", "RTX 3060 12GB"),
        ("3060 8gb", "RTX 3060 8GB"),
        ("a100 40gb", "A100 40GB"),
        ("A100-80GB", "A100 80GB"),
        ("A100 80 GB PCIe", "A100 80GB PCIe"),
        ("a100", "A100 40GB"),
        ("h100", "H100 SXM"),
        ("H100 PCIe", "H100 PCIe"),
        ("NVIDIA H100 80GB HBM3", "H100 SXM"),
        ("RTX 4090 24GB", "RTX 4090"),
        ("tesla t4", "T4"),
        ("6000 Ada", "RTX 6000 Ada"),
        ("RTX A6000", "RTX A6000"),
        ("RTX PRO 6000", "RTX PRO 6000 Blackwell"),
        ("v100 32gb", "V100 32GB"),
        ("DGX Spark", "GB10"),
    ],
)
def test_a_gpu_is_found_by_the_names_people_give_it(text, title):
    found = device.named(text)
    assert found.title == title
    assert (found.kind, found.name) == ("gpu", "")
    assert 0.95 * found.total < found.free < found.total  # the driver keeps a part


@pytest.mark.parametrize(
    ("text", "size", "title"),
    [
        ("24GB", 24 * GB, "24 GB"),
        ("24 GiB", 24 * GIB, "24 GiB"),
        ("24g", 24 * GB, "24 GB"),
        ("23.5gib", int(23.5 * GIB), "23.5 GiB"),
        ("16384MiB", 16 * GIB, "16384 MiB"),
        ("25769803776", 24 * GIB, "25.77 GB"),
    ],
)
def test_a_size_of_memory_is_a_gpu_without_a_name(text, size, title):
    found = device.named(text)
    assert (found.free, found.total) == (size, size)
    assert title in found.title
    assert found.bf16
    assert found.flash_attention


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("RTX 9090", "RTX 4090"),
        ("RTX 4080 Ti", "RTX 4070 Ti"),
        ("A100 60GB", "A100 80GB"),
        ("", "A size such as 24GB"),
        ("24", "A size such as 24GB"),
        ("nvidia", "A size such as 24GB"),
        ("-5GB", "A size such as 24GB"),
        ("0GB", "not the memory of a GPU"),
        ("1MB", "not the memory of a GPU"),
        ("9" * 400 + "GB", "not the memory of a GPU"),
        ("9" * 400, "not the memory of a GPU"),
    ],
)
def test_what_is_no_gpu_is_refused_with_the_nearest_names(text, words):
    with pytest.raises(UsageError) as refused:
        device.named(text)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("name", "mib", "entry"),
    [
        ("NVIDIA A100-SXM4-40GB", 40960, "A100 40GB"),
        ("NVIDIA A100-SXM4-80GB", 81920, "A100 80GB"),
        ("NVIDIA A100-PCIE-40GB", 40960, "A100 40GB PCIe"),
        ("NVIDIA A100 80GB PCIe", 81920, "A100 80GB PCIe"),
        ("NVIDIA A100-SXM4-40GB MIG 3g.20gb", 0, "A100 40GB"),
        ("NVIDIA H100 80GB HBM3", 81559, "H100 SXM"),
        ("NVIDIA H100 PCIe", 81559, "H100 PCIe"),
        ("NVIDIA H100 NVL", 95830, "H100 NVL"),
        ("NVIDIA H200", 143771, "H200 SXM"),
        ("NVIDIA GeForce RTX 3060", 12288, "RTX 3060 12GB"),
        ("NVIDIA GeForce RTX 3060", 8192, "RTX 3060 8GB"),
        ("NVIDIA GeForce RTX 4060 Ti", 16380, "RTX 4060 Ti 16GB"),
        ("NVIDIA GeForce RTX 4070 Laptop GPU", 8188, "RTX 4070 Laptop"),
        ("Tesla T4", 15109, "T4"),
        ("Tesla V100-SXM2-32GB", 32510, "V100 32GB"),
        ("Quadro RTX 6000", 24576, "Quadro RTX 6000"),
        ("NVIDIA RTX 6000 Ada Generation", 49140, "RTX 6000 Ada"),
        ("NVIDIA L40", 46068, "L40"),
        ("NVIDIA GeForce RTX 4090 Ti", 49140, None),  # not the 4090
        ("NVIDIA GeForce RTX 3070 Ti Laptop GPU", 8192, None),
        ("NVIDIA Graphics Device", 24576, None),
    ],
)
def test_the_names_that_nvml_gives_are_known(name, mib, entry):
    found = cards.known(name, mib << 20)
    assert (found.name if found else None) == entry


def test_every_entry_of_the_table_is_sane_and_found_by_its_own_names():
    table = cards.table()
    assert len(table) >= 40
    assert len({card.name for card in table}) == len(table)
    for card in table:
        assert 3 * GIB <= card.memory <= 300 * GIB
        assert 3e12 <= card.flops <= 3e15
        assert 50 <= card.watts <= 1500
        assert 100e9 <= card.bandwidth <= 9e12
        assert (5, 0) <= card.capability <= (12, 1)
        # a board does no more than about 2000 operations for each byte it reads
        assert 10 < card.flops / card.bandwidth < 500
        for name in (card.name, *card.also):
            assert cards.find(name) is card, name
        assert cards.known(f"NVIDIA {card.name}", card.memory) is card


def test_naming_a_gpu_is_fast_and_loads_nothing_heavy():
    code = (
        "import time\nfrom engine.plan import device\nbegun = time.perf_counter()\n"
        "device.named('RTX 4090')\nprint(time.perf_counter() - begun)\n"
        "import sys\nprint({'torch', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    seconds, loaded = done.stdout.splitlines()
    assert float(seconds) < 0.2
    assert loaded == "set()"
