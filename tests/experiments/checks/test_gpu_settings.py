"""Which GPU settings suit which machine: against NNI's own scheduler, and by what a user is told."""

from __future__ import annotations

import itertools
import json
import subprocess
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nni_node
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.bad_input import BadInput
from experiments.checks.gpu_settings import check_gpus, room, shared_gpus
from machines.gpus import Gpu, Machine

MOST = 12
"""Trials that place_trials.js tries to place."""


def gpus(count: int, busy: tuple[int, ...] = (), **content: Any) -> Machine:
    """A machine of so many GPUs, some of them busy."""
    return Machine(tuple(Gpu(index, f"GPU-{index}abc", busy=index in busy) for index in range(count)), **content)


NO_GPU, IDLE, BUSY, FOUR, ONE_OF_FOUR_BUSY = Machine(), gpus(1), gpus(1, (0,)), gpus(4), gpus(4, (2,))
FOUR_HIDDEN = gpus(4, visible="")
MIG = Machine((Gpu(0, "GPU-0abc", mig=True),))


def check(machine: Machine, concurrency: int = 1, command: str = "", **settings: Any) -> str:
    """Check settings, by NNI's names for them, with NNI's defaults."""
    defaults = {"trial_gpu_number": None, "max_trial_number_per_gpu": 1, "use_active_gpu": None, "gpu_indices": None}
    return check_gpus(SimpleNamespace(**{**defaults, **settings}), concurrency, command.split(), machine)


# NNI's own scheduler.


def test_there_is_room_for_as_many_trials_as_nnis_own_scheduler_places() -> None:
    cases = [
        (count, usable, asked, per_gpu)
        for count in (1, 2, 3, 4)
        for size in range(count + 1)
        for usable in itertools.combinations(range(count), size)
        for asked in (1, 2, 3, 4, 5)
        for per_gpu in (1, 2, 3)
    ]
    described = [
        {"gpus": count, "usable": usable, "gpuNumber": asked / per_gpu} for count, usable, asked, per_gpu in cases
    ]
    folder = Path(nni_node.__path__[0])
    done = subprocess.run(
        [folder / "node", Path(__file__).with_name("place_trials.js"), folder],
        env={"NODE_PATH": str(folder)},
        input=json.dumps(described),
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [room(asked, per_gpu, count, len(usable)) for count, usable, asked, per_gpu in cases]
    assert json.loads(done.stdout) == [min(MOST, places) for places in expected]
    assert {0, 1, 2, 3, 4, 6, 9, 12} <= set(expected)


settings = st.fixed_dictionaries(
    {
        "trial_gpu_number": st.integers(0, 5) | st.none(),
        "max_trial_number_per_gpu": st.integers(1, 4),
        "use_active_gpu": st.booleans(),
        "gpu_indices": st.none() | st.lists(st.integers(0, 5), max_size=4, unique=True),
    }
)
machines = st.builds(
    lambda busy, visible: Machine(
        tuple(Gpu(index, f"GPU-{index}", busy=busy) for index, busy in enumerate(busy)), visible=visible
    ),
    st.lists(st.booleans(), max_size=4),
    st.sampled_from([None, "", "0", "1,0", "7"]),
)


def is_refused(machine: Machine, concurrency: int, settings: dict[str, Any]) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            check(machine, concurrency, **settings)
        except BadInput:
            return True
        return False


@given(settings, machines, st.integers(1, 20))
def test_what_is_refused_stays_refused_with_more_trials(
    settings: dict[str, Any], machine: Machine, concurrency: int
) -> None:
    assert is_refused(machine, concurrency, settings) <= is_refused(machine, concurrency + 1, settings)


@given(settings, machines, st.integers(1, 20))
def test_what_is_accepted_stays_accepted_on_a_machine_with_one_more_gpu(
    settings: dict[str, Any], machine: Machine, concurrency: int
) -> None:
    index = len(machine.gpus)
    larger = Machine((*machine.gpus, Gpu(index, "GPU-new")), visible=machine.visible and f"{machine.visible},{index}")
    assert is_refused(larger, concurrency, settings) <= is_refused(machine, concurrency, settings)


# Settings that let NNI hand out GPUs.


@pytest.mark.parametrize(
    ("machine", "concurrency", "settings"),
    [
        (IDLE, 2, {"trial_gpu_number": 1, "max_trial_number_per_gpu": 2}),
        (FOUR, 4, {"trial_gpu_number": 1}),
        (FOUR, 8, {"trial_gpu_number": 1, "max_trial_number_per_gpu": 2}),
        (FOUR, 2, {"trial_gpu_number": 2}),
        (ONE_OF_FOUR_BUSY, 3, {"trial_gpu_number": 1, "gpu_indices": [0, 1, 3]}),
        (gpus(4, visible="0,1,2,3"), 4, {"trial_gpu_number": 1}),
        (gpus(4, visible="2,3"), 2, {"trial_gpu_number": 1, "gpu_indices": [2, 3]}),
    ],
)
def test_what_works_is_accepted(machine: Machine, concurrency: int, settings: dict[str, Any]) -> None:
    assert "that NNI chooses" in check(machine, concurrency, use_active_gpu=True, **settings)


@pytest.mark.parametrize(
    ("machine", "concurrency", "settings", "told"),
    [
        (NO_GPU, 1, {}, r"trialGpuNumber: 1, but this machine shows no GPU \(nvidia-smi is not installed\); leave it"),
        (gpus(1, pytorch="2.13.0+cpu"), 1, {}, r"trialGpuNumber: 1, but PyTorch 2\.13\.0\+cpu is built without CUDA"),
        (IDLE, 1, {}, "trialGpuNumber: 1 .* freezes the machine .* or write maxTrialNumberPerGpu: 2"),
        (FOUR, 1, {"trial_gpu_number": 4}, "trialGpuNumber: 4 with maxTrialNumberPerGpu: 1 on 4"),
        (FOUR, 1, {"trial_gpu_number": 9, "max_trial_number_per_gpu": 2}, "on 4 .* names$"),
        (IDLE, 3, {"max_trial_number_per_gpu": 2}, "trialConcurrency: 3, .* write trialConcurrency: 2"),
        (FOUR, 5, {}, "trialConcurrency: 5, .* write trialConcurrency: 4"),
        (FOUR, 3, {"gpu_indices": [1, 2]}, r"trialConcurrency: 3, but 2 GPU\(s\) .* write trialConcurrency: 2"),
        (FOUR, 1, {"trial_gpu_number": 2, "gpu_indices": [1]}, "gpuIndices names only 1"),
        (FOUR, 1, {"gpu_indices": [3, 4]}, r"gpuIndices: \[3, 4\], but this machine has \[0, 1, 2, 3\]"),
        (FOUR, 1, {"gpu_indices": []}, r"gpuIndices: \[\], but"),
        (FOUR, 1, {"max_trial_number_per_gpu": 0}, "maxTrialNumberPerGpu: it must be at least 1, not 0"),
        (FOUR, 1, {"use_active_gpu": False}, "write useActiveGpu: true$"),
        (BUSY, 1, {"use_active_gpu": False}, "write useActiveGpu: true$"),
        (ONE_OF_FOUR_BUSY, 1, {"use_active_gpu": False}, r"useActiveGpu: true and gpuIndices: \[0, 1, 3\]$"),
        (MIG, 1, {"max_trial_number_per_gpu": 2}, "MIG instances of this machine; leave trialGpuNumber out"),
        (gpus(4, visible="3,2"), 2, {}, r"also use GPUs \[0, 1\], which .*='3,2' hides; write gpuIndices: \[3, 2\]$"),
        (gpus(4, visible="2"), 1, {"gpu_indices": [1, 2]}, r"also use GPUs \[1\], .* write gpuIndices: \[2\]$"),
        (FOUR_HIDDEN, 1, {}, r"also use GPUs \[0, 1, 2, 3\], .*='' hides; leave trialGpuNumber out"),
    ],
)
def test_what_would_freeze_or_die_is_refused(
    machine: Machine, concurrency: int, settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(BadInput, match=told) as refused:
        check(machine, concurrency, **{"trial_gpu_number": 1, "use_active_gpu": True, **settings})
    assert "\n" not in str(refused.value)


def test_gpus_that_others_use_are_warned_of() -> None:
    with pytest.warns(UserWarning, match=r"GPUs \[2\] are in use by others"):
        check(ONE_OF_FOUR_BUSY, 4, trial_gpu_number=1, use_active_gpu=True)


def test_a_choice_of_gpus_that_does_nothing_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="gpuIndices does nothing without trialGpuNumber"):
        check(FOUR, gpu_indices=[2])


# Trials that see what NNI sees.


@pytest.mark.parametrize(
    ("machine", "where"),
    [
        (NO_GPU, "on the CPU"),
        (IDLE, "all on one GPU"),
        (BUSY, "all on one GPU"),
        (MIG, "on what CUDA_VISIBLE_DEVICES names (not checked, as MIG is on)"),
    ],
)
def test_without_a_number_of_gpus_nothing_is_refused(machine: Machine, where: str) -> None:
    assert check(machine) == where
    assert check(machine, 7, "--device cpu") == "on the CPU"


def test_more_trials_than_cores_or_gpus_are_warned_of() -> None:
    check(Machine(cores=2), 2)
    with pytest.warns(UserWarning, match=r"trialConcurrency: 3, but this machine has 2 core\(s\)"):
        check(Machine(cores=2), 3)
    with pytest.warns(UserWarning, match=r"trialConcurrency: 3, but this machine has 2 core\(s\)"):
        check(gpus(1, cores=2), 3, "--device cpu")
    with pytest.warns(UserWarning, match=r"trialConcurrency: 2, but the trials have 1 GPU\(s\)"):
        check(gpus(1, cores=1), 2)


def test_gpus_that_stay_idle_are_warned_of() -> None:
    with pytest.warns(UserWarning, match="all trials will use the first of 4 GPUs; .* useActiveGpu: true$"):
        check(FOUR, 2)
    with pytest.warns(UserWarning, match=r"the first of 2 GPUs; .* useActiveGpu: true, gpuIndices: \[2, 3\]$"):
        check(gpus(4, visible="2,3"), 2)
    with pytest.warns(UserWarning, match="on the CPU: trialGpuNumber: 0 hides all GPUs"):
        assert check(FOUR, trial_gpu_number=0) == "on the CPU"
    with pytest.warns(UserWarning, match="on the CPU: CUDA_VISIBLE_DEVICES='' hides all GPUs"):
        assert check(gpus(1, visible="")) == "on the CPU"
    with pytest.warns(UserWarning, match=r"on the CPU: PyTorch 2\.13\.0\+cpu is built without CUDA"):
        assert check(gpus(1, pytorch="2.13.0+cpu")) == "on the CPU"
    with pytest.warns(UserWarning, match=r"on the CPU: this machine shows no GPU \(nvidia-smi fails: oh\)"):
        assert check(Machine(fault="nvidia-smi fails: oh")) == "on the CPU"


# GPUs that trials share.


@pytest.mark.parametrize(
    ("machine", "concurrency", "command", "settings", "indices", "count"),
    [
        (FOUR, 3, "", {}, [0], 3),
        (FOUR, 3, "--device cuda:2", {}, [2], 3),
        (gpus(4, visible="3,1"), 2, "--device cuda:1", {}, [1], 2),
        (FOUR, 3, "--device cpu", {}, [], 0),
        (FOUR, 3, "", {"trial_gpu_number": 0}, [], 0),
        (NO_GPU, 3, "", {}, [], 0),
        (MIG, 3, "", {}, [], 0),
        (FOUR, 4, "", {"trial_gpu_number": 1}, [0, 1, 2, 3], 1),
        (FOUR, 8, "", {"trial_gpu_number": 1, "max_trial_number_per_gpu": 3}, [0, 1, 2, 3], 3),
        (FOUR, 2, "", {"trial_gpu_number": 1, "max_trial_number_per_gpu": 3, "gpu_indices": [1, 3]}, [1, 3], 2),
        (FOUR, 2, "", {"trial_gpu_number": 2}, [0, 1, 2, 3], 1),
        (FOUR, 2, "--device cpu", {"trial_gpu_number": 1}, [], 1),
    ],
)
def test_gpus_that_trials_share(
    machine: Machine, concurrency: int, command: str, settings: dict[str, Any], indices: list[int], count: int
) -> None:
    defaults = {"trial_gpu_number": None, "max_trial_number_per_gpu": 1, "gpu_indices": None}
    found, most = shared_gpus(SimpleNamespace(**{**defaults, **settings}), concurrency, command.split(), machine)
    assert ([gpu.index for gpu in found], most) == (indices, count)


# What the trial command asks for.


@pytest.mark.parametrize(
    ("machine", "command", "settings", "told"),
    [
        (NO_GPU, "--device cuda", {}, r"--device cuda, but this machine shows no GPU .* '--device auto'"),
        (NO_GPU, "--device=cuda:1", {}, "--device cuda:1, but this machine shows no GPU"),
        (NO_GPU, "--precision bf16", {}, "--precision bf16 needs a GPU, but this machine shows no GPU"),
        (NO_GPU, "--precision tf32", {}, "--precision tf32 needs a GPU, but this machine shows no GPU"),
        (NO_GPU, "--cuda-graph", {}, "--cuda-graph needs a GPU, but this machine shows no GPU"),
        (IDLE, "--device cuda", {"trial_gpu_number": 0}, "but trialGpuNumber: 0 hides all GPUs"),
        (gpus(1, visible="-1"), "--device cuda", {}, "but CUDA_VISIBLE_DEVICES='-1' hides all GPUs"),
        (IDLE, "--device cuda:1", {}, r"a trial sees 1 GPU\(s\), counted from 0"),
        (gpus(4, visible="3"), "--device cuda:3", {}, r"a trial sees 1 GPU\(s\)"),
        (FOUR, "--device cuda:1", {"trial_gpu_number": 1, "use_active_gpu": True}, r"a trial sees 1 GPU\(s\)"),
    ],
)
def test_a_device_that_a_trial_will_not_see_is_refused(
    machine: Machine, command: str, settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(BadInput, match=f"^trialCommand: .*{told}"):
        check(machine, 1, command, **settings)


@pytest.mark.parametrize("command", ["--device cuda --cuda-graph", "--device cuda:0 --precision bf16", "--device cpu"])
def test_a_device_that_is_there_is_accepted(command: str) -> None:
    check(IDLE, 1, command)
