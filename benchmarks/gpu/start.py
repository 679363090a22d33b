"""The start of a trial on a device, stage by stage, each time in a new process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from benchmarks.gpu.step import Size

FEATURES = "a batch of features to the device"
"""The stage that takes longer for more features."""

REPOSITORY = Path(__file__).parent.parent.parent
COMMAND = "import time; began = time.monotonic(); from benchmarks.gpu.start import print_stages; print_stages(began)"


def start_stages(device: torch.device, size: Size, rounds: int) -> dict[str, float]:
    """Median seconds of each stage, in order."""
    measured = []
    for _ in range(rounds):
        about = json.dumps({"spawned": time.monotonic(), "device": str(device), **vars(size)})
        # The clock is that of the machine, the same for all processes.
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, about], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True
        )
        measured.append(json.loads(done.stdout))
    return {stage: median(one[stage] for one in measured) for stage in measured[0]}


def print_stages(began: float) -> None:
    """Run in the new process, which began then: print the seconds of each stage as JSON."""
    about = json.loads(sys.argv[1])
    seconds = {"start of Python": began - about.pop("spawned")}
    name = about.pop("device")

    def stage(what: str, do: Callable[[], None]) -> None:
        started = time.monotonic()
        do()
        seconds[what] = time.monotonic() - started

    def import_trial() -> None:
        import trials.search_trial  # noqa: F401

    def import_torch() -> None:
        import torch  # noqa: F401

    stage("import of PyTorch", import_torch)
    stage("import of the trial", import_trial)

    import torch

    from benchmarks.gpu.rounds import wait_for
    from benchmarks.gpu.step import Size, batch_in_form
    from benchmarks.search_networks import search_network
    from trials.data.batches import Batch
    from trials.training.settings import TrainingSettings
    from trials.training.training import Training

    device, size = torch.device(name), Size(**about)
    (videos, *_) = size.batches(size.batch_size / size.videos)

    def open_device() -> None:
        torch.zeros(1, device=device)
        wait_for(device)

    def copy_features() -> None:
        batches.append(batch_in_form("after", Batch.of(videos, device)))
        wait_for(device)

    def step() -> None:
        network = search_network("plain", size.feature_dim, size.classes)
        training = Training(network, TrainingSettings(), device)
        training.network.train()
        training.step(batches[0])
        wait_for(device)

    batches: list[Batch] = []
    stage("the device's context", open_device)
    stage(FEATURES, copy_features)
    stage("the network and its first step", step)
    print(json.dumps(seconds))
