"""The GPUs of this machine, from nvidia-smi, and those that a trial sees."""

from __future__ import annotations

import contextlib
import csv
import importlib.metadata
import os
import re
import subprocess
from dataclasses import dataclass

TIME_LIMIT = 30.0
"""Timeout of nvidia-smi in seconds: it wakes up every GPU."""


@dataclass(frozen=True)
class Gpu:
    """One GPU."""

    index: int
    uuid: str
    memory: str = ""
    """How much of it is in use, as text."""
    name: str = "GPU"
    busy: bool = False
    """Whether a process computes on it."""
    mig: bool = False
    """Whether it is divided into MIG instances, which NNI 3.0 does not support."""

    @property
    def free_and_total(self) -> tuple[int, int] | None:
        """Bytes of its memory that are free, and all of it; None: unknown."""
        found = re.fullmatch(r"(\d+) MiB of (\d+) MiB", self.memory)
        return None if found is None else ((int(found[2]) - int(found[1])) * 2**20, int(found[2]) * 2**20)


@dataclass(frozen=True)
class Machine:
    """The devices that a trial could train on."""

    gpus: tuple[Gpu, ...] = ()
    fault: str = "nvidia-smi is not installed"
    """Why there are no GPUs, if so."""
    visible: str | None = None
    """CUDA_VISIBLE_DEVICES, which a trial inherits; None if not set."""
    pytorch: str = ""
    """The version of PyTorch."""
    cores: int | None = None
    """Number of cores that this process may use; None: unknown."""

    def devices(self) -> int | None:
        """Number of CUDA devices that a trial with this CUDA_VISIBLE_DEVICES sees; None: unknown, because of MIG."""
        if self.why_no_gpu() or self.visible == "":
            return 0
        return None if any(gpu.mig for gpu in self.gpus) else len(self.visible_gpus())

    def visible_gpus(self) -> list[Gpu]:
        """The GPUs that a trial with this CUDA_VISIBLE_DEVICES sees, in its order; not with MIG."""
        if self.visible is None:
            return list(self.gpus)
        seen: list[Gpu] = []
        for entry in map(str.strip, self.visible.split(",")):
            uuid = entry.startswith("GPU-")
            named = [gpu for gpu in self.gpus if (gpu.uuid.startswith(entry) if uuid else entry == str(gpu.index))]
            if len(named) != 1:
                break  # CUDA ignores the first unknown entry and all after it
            seen += named
        return seen

    def why_no_gpu(self) -> str | None:
        """Why PyTorch can use no GPU of this machine; None if it can."""
        if not self.gpus:
            return f"this machine shows no GPU ({self.fault})"
        return f"PyTorch {self.pytorch} is built without CUDA" if self.pytorch.endswith("+cpu") else None

    def why_no_device(self) -> str:
        """Why ``devices`` is 0, if so."""
        return self.why_no_gpu() or f"CUDA_VISIBLE_DEVICES={self.visible!r} hides all GPUs"

    def describe(self) -> list[str]:
        """One line per GPU."""
        if not self.gpus:
            return [f"GPUs: none ({self.fault})"]
        return [
            f"GPU {gpu.index}: {gpu.name}, {gpu.memory} in use{', by other processes' * gpu.busy}{', MIG on' * gpu.mig}"
            for gpu in self.gpus
        ]


def read_machine() -> Machine:
    """This machine. A missing nvidia-smi means no GPU; ``fault`` says whether it failed or hung."""
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
    """The rows of nvidia-smi's output."""
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
        # A hanging driver may block the process indefinitely.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=1)
        raise _NoAnswer(f"nvidia-smi does not answer within {TIME_LIMIT:g} s") from None
    if process.returncode != 0:
        said = output.strip().splitlines() or [f"exit code {process.returncode}"]
        raise _NoAnswer(f"nvidia-smi fails: {said[0]}")
    lines = [line for line in output.splitlines() if not line.startswith("WARNING")]  # of a worn-out GPU, for example
    return [row for row in csv.reader(lines, skipinitialspace=True) if row]
