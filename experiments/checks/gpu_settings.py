"""Whether the GPU settings of an experiment suit the GPUs of this machine.

If a trial cannot be placed at once, NNI 3.0 asks its GPU scheduler repeatedly without a pause, and starts processes
without limit (NNI issue 5574): the machine freezes. So no experiment may start whose trials its scheduler
(``task_scheduler/scheduler.js`` in the package nni_node) cannot place at any time.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Sequence
from typing import Any

from common.bad_input import BadInput
from common.command_options import option
from machines.gpus import Gpu, Machine
from trials.training.settings import device_index


def check_gpus(service: Any, concurrency: int, words: Sequence[str], machine: Machine) -> str:
    """Check the GPU settings of an experiment on this machine; returns where its trials will run.

    Args:
        service: NNI's LocalConfig.
        concurrency: number of parallel trials.
        words: of the trial command, whose ``--device``, ``--precision`` and ``--cuda-graph`` must suit its GPUs.

    Raises:
        BadInput: the message says which setting is wrong, why, and what to write instead.
    """
    devices: int | None
    if service.trial_gpu_number:
        places = _check_scheduled(service, concurrency, machine)
        devices, why = max(1, _whole(service.trial_gpu_number / service.max_trial_number_per_gpu)), ""
    elif service.trial_gpu_number == 0:
        devices, why = 0, "trialGpuNumber: 0 hides all GPUs (left out, it does not)"
    else:
        devices, why = machine.devices(), machine.why_no_device()
    device = option(words, "--device") or "auto"
    _check_device(device, words, devices, why)
    if service.trial_gpu_number:
        return f"each on {devices} GPU(s) that NNI chooses; there is room for {places}"

    if service.gpu_indices is not None:
        warnings.warn("gpuIndices does nothing without trialGpuNumber; set CUDA_VISIBLE_DEVICES instead", stacklevel=2)
    if device == "cpu" or devices == 0:
        if device != "cpu" and (machine.gpus or machine.fault != Machine.fault):
            warnings.warn(f"the trials will run on the CPU: {why}", stacklevel=2)
        if machine.cores is not None and concurrency > machine.cores:
            warnings.warn(
                f"trialConcurrency: {concurrency}, but this machine has {machine.cores} core(s) for the trials: more "
                "trials than cores take longer in all",
                stacklevel=2,
            )
        return "on the CPU"
    if devices is None:
        return "on what CUDA_VISIBLE_DEVICES names (not checked, as MIG is on)"
    if devices > 1 and concurrency > 1 and device in ("auto", "cuda"):
        visible = [gpu.index for gpu in machine.visible_gpus()]
        chosen = f", gpuIndices: {visible}" if devices < len(machine.gpus) else ""
        warnings.warn(
            f"all trials will use the first of {devices} GPUs; to spread them, write trialGpuNumber: 1, "
            f"useActiveGpu: true{chosen}",
            stacklevel=2,
        )
    elif concurrency > devices:
        warnings.warn(f"trialConcurrency: {concurrency}, but the trials have {devices} GPU(s)", stacklevel=2)
    return "all on one GPU"


def shared_gpus(service: Any, concurrency: int, words: Sequence[str], machine: Machine) -> tuple[list[Gpu], int]:
    """The GPUs that the trials will use, and how many trials may share one; of settings that ``check_gpus`` has passed.

    No GPUs where they will run on the CPU, or where that is not known, because of MIG.
    """
    device = option(words, "--device") or "auto"
    if service.trial_gpu_number:
        per_gpu = max(1, math.floor(1.001 * service.max_trial_number_per_gpu / service.trial_gpu_number))
        return ([] if device == "cpu" else _usable(service, machine)), min(concurrency, per_gpu)
    if device == "cpu" or service.trial_gpu_number == 0 or not machine.devices():
        return [], 0
    index = device_index(device) or 0
    return machine.visible_gpus()[index : index + 1], concurrency


def room(asked: int, per_gpu: int, gpus: int, usable: int) -> int:
    """How many parallel trials NNI 3.0 can place at any time, with ``useActiveGpu: true``.

    Args:
        asked: trialGpuNumber, at least 1.
        per_gpu: maxTrialNumberPerGpu, at least 1.
        gpus: number of GPUs of this machine.
        usable: number of those in gpuIndices.
    """
    share = asked / per_gpu
    if share >= gpus:
        return 0  # a bug in the scheduler (>=): it does not even give a single GPU to a single trial
    if share < 1:
        return usable * math.floor(1.001 / share)
    return usable // _whole(share)


def _whole(share: float) -> int:
    """Round as JavaScript does."""
    return math.floor(share + 0.5)


def _usable(service: Any, machine: Machine) -> list[Gpu]:
    """The GPUs among which NNI chooses."""
    return [gpu for gpu in machine.gpus if service.gpu_indices is None or gpu.index in service.gpu_indices]


def _check_scheduled(service: Any, concurrency: int, machine: Machine) -> int:
    """Check settings that let NNI assign the GPUs; returns how many trials there is room for."""
    asked, per_gpu, indices = service.trial_gpu_number, service.max_trial_number_per_gpu, service.gpu_indices
    count = len(machine.gpus)
    leave_out = "leave trialGpuNumber out: trials then use what CUDA_VISIBLE_DEVICES names"
    if reason := machine.why_no_gpu():
        raise BadInput(f"trialGpuNumber: {asked}, but {reason}; leave it out to train on the CPU")
    if per_gpu < 1:
        raise BadInput(f"maxTrialNumberPerGpu: it must be at least 1, not {per_gpu}")
    usable = _usable(service, machine)
    if indices is not None and (not indices or len(usable) < len(indices)):
        raise BadInput(f"gpuIndices: {indices}, but this machine has {[gpu.index for gpu in machine.gpus]}")
    idle = [gpu.index for gpu in usable if not gpu.busy]
    if not service.use_active_gpu:
        chosen = f" and gpuIndices: {idle}" if 0 < len(idle) < count else ""
        raise BadInput(
            "useActiveGpu: unless it is true, NNI 3.0 freezes the machine when all GPUs are in use, be it by a trial "
            f"that has just ended; write useActiveGpu: true{chosen}"
        )
    if any(gpu.mig for gpu in usable):
        raise BadInput(f"trialGpuNumber: NNI 3.0 does not support the MIG instances of this machine; {leave_out}")
    visible = machine.visible_gpus()
    if hidden := [gpu.index for gpu in usable if gpu not in visible]:
        # In an allocation of a cluster they are another user's.
        chosen = f"write gpuIndices: {[gpu.index for gpu in visible]}" if visible else leave_out
        raise BadInput(
            f"trialGpuNumber: NNI would also use GPUs {hidden}, which CUDA_VISIBLE_DEVICES={machine.visible!r} hides; "
            f"{chosen}"
        )
    places = room(asked, per_gpu, count, len(usable))
    if asked >= count * per_gpu:
        more = f", or write maxTrialNumberPerGpu: {per_gpu + 1}" if asked == count * per_gpu else ""
        raise BadInput(
            f"trialGpuNumber: {asked} with maxTrialNumberPerGpu: {per_gpu} on {count} GPU(s): NNI 3.0 freezes the "
            f"machine unless a trial asks for less than all; {leave_out}{more}"
        )
    if places == 0:
        raise BadInput(f"trialGpuNumber: {asked}, but gpuIndices names only {len(usable)} GPU(s); name more")
    if concurrency > places:
        raise BadInput(
            f"trialConcurrency: {concurrency}, but {len(usable)} GPU(s) have room for {places} and NNI 3.0 freezes the "
            f"machine when a trial finds none; write trialConcurrency: {places}"
        )
    if len(idle) < len(usable):
        busy = [gpu.index for gpu in usable if gpu.busy]
        warnings.warn(f"GPUs {busy} are in use by others; trials may share them (gpuIndices chooses)", stacklevel=3)
    return places


def _check_device(device: str, words: Sequence[str], devices: int | None, why: str) -> None:
    """Refuse options that need more than the ``devices`` that a trial will see (None: unknown)."""
    match = re.fullmatch(r"cuda(?::(\d+))?", device, re.ASCII)
    if devices == 0 and match:
        raise BadInput(f"trialCommand: --device {device}, but {why}; '--device auto' takes the CPU where it must")
    precision = option(words, "--precision")
    if devices == 0 and precision not in (None, "float32"):
        raise BadInput(f"trialCommand: --precision {precision} needs a GPU, but {why}")
    if devices == 0 and "--cuda-graph" in words:
        raise BadInput(f"trialCommand: --cuda-graph needs a GPU, but {why}")
    if devices and match and int(match[1] or 0) >= devices:
        raise BadInput(f"trialCommand: --device {device}, but a trial sees {devices} GPU(s), counted from 0")
