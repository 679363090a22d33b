"""The GPUs of this machine, as nvidia-smi tells them, and what a trial sees of them."""

from __future__ import annotations

import contextlib
import csv
import importlib.metadata
import os
import subprocess
from dataclasses import dataclass

TIME_LIMIT = 30.0
"""Seconds that nvidia-smi may take: it wakes up every GPU."""


@dataclass(frozen=True)
class Gpu:
    """One GPU."""

    index: int
    uuid: str
    memory: str = ""
    """How much of it is in use, as a text."""
    name: str = "GPU"
    busy: bool = False
    """Whether a process computes on it."""
    mig: bool = False
    """Whether it is divided into MIG instances, which NNI 3.0 knows nothing of."""


@dataclass(frozen=True)
class Machine:
    """What a trial could train on."""

    gpus: tuple[Gpu, ...] = ()
    fault: str = "nvidia-smi is not installed"
    """Why no GPU is known, if none is."""
    visible: str | None = None
    """CUDA_VISIBLE_DEVICES, which a trial inherits; None where it is not set."""
    pytorch: str = ""
    """The version of PyTorch."""
    cores: int | None = None
    """How many cores this process may use; None: not known."""

    def devices(self) -> int | None:
        """How many CUDA devices a trial sees that inherits CUDA_VISIBLE_DEVICES; None where MIG makes that unknown."""
        if self.why_no_gpu() or self.visible == "":
            return 0
        if any(gpu.mig for gpu in self.gpus):
            return None
        if self.visible is None:
            return len(self.gpus)
        known = 0
        for entry in map(str.strip, self.visible.split(",")):
            if sum(entry == str(gpu.index) or _begins(gpu.uuid, entry) for gpu in self.gpus) != 1:
                break  # CUDA leaves out the first entry that it does not know, and all after it
            known += 1
        return known

    def why_no_gpu(self) -> str | None:
        """Why PyTorch can use no GPU of this machine; None if it can."""
        if not self.gpus:
            return f"this machine shows no GPU ({self.fault})"
        return f"PyTorch {self.pytorch} is built without CUDA" if self.pytorch.endswith("+cpu") else None

    def why_no_device(self) -> str:
        """Why ``devices`` is 0, where it is."""
        return self.why_no_gpu() or f"CUDA_VISIBLE_DEVICES={self.visible!r} hides all GPUs"

    def describe(self) -> list[str]:
        """The GPUs, a line each."""
        if not self.gpus:
            return [f"GPUs: none ({self.fault})"]
        return [
            f"GPU {gpu.index}: {gpu.name}, {gpu.memory} in use{', by other processes' * gpu.busy}{', MIG on' * gpu.mig}"
            for gpu in self.gpus
        ]


def _begins(uuid: str, entry: str) -> bool:
    return entry.startswith("GPU-") and uuid.startswith(entry)


def read_machine() -> Machine:
    """This machine. A missing nvidia-smi means that it has no GPU; one that fails or hangs is told in ``fault``."""
    visible, pytorch = os.environ.get("CUDA_VISIBLE_DEVICES"), importlib.metadata.version("torch")
    cores = len(os.sched_getaffinity(0))
    try:
        listed = _nvidia_smi("--query-gpu=index,uuid,name,memory.used,memory.total,mig.mode.current")
        busy = {uuid for (uuid,) in _nvidia_smi("--query-compute-apps=gpu_uuid")} if listed else set()
        gpus = tuple(
            Gpu(int(index), uuid, f"{used} of {total}", name, busy=uuid in busy, mig=mig == "Enabled")
            for index, uuid, name, used, total, mig in listed
        )
    except _NoAnswer as fault:
        return Machine((), str(fault), visible, pytorch, cores)
    except ValueError:
        return Machine((), "nvidia-smi does not list GPUs as it should", visible, pytorch, cores)
    return Machine(gpus, "nvidia-smi lists none", visible, pytorch, cores)


class _NoAnswer(Exception):
    """nvidia-smi is missing, fails or hangs."""


def _nvidia_smi(query: str) -> list[list[str]]:
    """The rows that nvidia-smi answers with."""
    command = ["nvidia-smi", query, "--format=csv,noheader"]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except FileNotFoundError:
        raise _NoAnswer(Machine.fault) from None
    except OSError as fault:
        raise _NoAnswer(f"nvidia-smi cannot be run: {fault.strerror}") from None
    try:
        output, _ = process.communicate(timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        # A driver that hangs may hold the process for ever.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=1)
        raise _NoAnswer(f"nvidia-smi does not answer within {TIME_LIMIT:g} s") from None
    if process.returncode != 0:
        said = output.strip().splitlines() or [f"exit code {process.returncode}"]
        raise _NoAnswer(f"nvidia-smi fails: {said[0]}")
    lines = [line for line in output.splitlines() if not line.startswith("WARNING")]  # of a worn-out GPU, say
    return [row for row in csv.reader(lines, skipinitialspace=True) if row]
