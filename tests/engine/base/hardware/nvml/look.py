"""Says, as JSON, what Tunesmith finds on the box that the stub plays. Run in a process of its own.

Arguments: the folder that stands for `/`, and whether to tell the doctor of a torch for CUDA 13.0.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from engine.base.doctor import gpus as doctor_gpu
from engine.base.hardware import machine
from engine.base.hardware.torch_build import TorchBuild
from engine.plan import device

box = machine.read(Path(sys.argv[1]))
build = TorchBuild("2.13.0+cu130", (13, 0)) if sys.argv[2] == "13.0" else None
print(
    json.dumps(
        {
            "box": asdict(box),
            "device": box.device,
            "pin": machine.pin(box, box.device),
            "checks": [asdict(check) for check in doctor_gpu.checks(box, build)],
            "chosen": asdict(device.choose(box)),
            "by_nvml": [asdict(gpu) for gpu in machine.gpus_by_nvml()[0]],
        }
    )
)
