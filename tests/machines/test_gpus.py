"""The GPUs that nvidia-smi lists, played by a script, and what a trial sees of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from machines import gpus
from machines.gpus import Gpu, Machine, read_machine

TWO = """\
case "$1" in
*compute-apps*) echo GPU-1b2c;;
*) echo "0, GPU-0a1b, NVIDIA H100 80GB HBM3, 3 MiB, 81559 MiB, Disabled"
   echo "1, GPU-1b2c, NVIDIA H100 80GB HBM3, 70000 MiB, 81559 MiB, Enabled"
   echo "WARNING: infoROM is corrupted at gpu 0000:00:1E.0";;
esac"""

Play = Callable[[str], None]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Play nvidia-smi by the lines of a shell script."""

    def write(lines: str) -> None:
        script = tmp_path / "nvidia-smi"
        script.write_text(f"#!/bin/sh\n{lines}\n")
        script.chmod(0o755)

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return write


def test_gpus_are_read(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    play(TWO)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    machine = read_machine()
    assert machine.gpus == (
        Gpu(0, "GPU-0a1b", "3 MiB of 81559 MiB", "NVIDIA H100 80GB HBM3"),
        Gpu(1, "GPU-1b2c", "70000 MiB of 81559 MiB", "NVIDIA H100 80GB HBM3", busy=True, mig=True),
    )
    assert [gpu.free_and_total for gpu in machine.gpus] == [(free * 2**20, 81559 * 2**20) for free in (81556, 11559)]
    assert machine.visible == "1"
    assert machine.describe() == [
        "GPU 0: NVIDIA H100 80GB HBM3, 3 MiB of 81559 MiB in use",
        "GPU 1: NVIDIA H100 80GB HBM3, 70000 MiB of 81559 MiB in use, by other processes, MIG on",
    ]


@pytest.mark.usefixtures("play")
def test_a_missing_nvidia_smi_means_no_gpu() -> None:
    assert (read_machine().gpus, read_machine().fault) == ((), "nvidia-smi is not installed")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("echo 'NVIDIA-SMI has failed because it could not talk to the driver.'; echo; exit 9", "has failed because"),
        ("echo oh >&2; exit 1", "nvidia-smi fails: oh"),
        ("exit 255", "nvidia-smi fails: exit code 255"),
        ("echo No devices were found", "nvidia-smi does not list GPUs as it should"),
        ("echo '[N/A], GPU-1, a, b, c, d'", "nvidia-smi does not list GPUs as it should"),
        (":", "nvidia-smi lists none"),
        ("exec /bin/sleep 60", "nvidia-smi does not answer within 0.2 s"),
    ],
)
def test_an_nvidia_smi_that_fails_or_hangs_is_told(
    play: Play, lines: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus, "TIME_LIMIT", 0.2)
    play(lines)
    machine = read_machine()
    assert machine.gpus == ()
    assert told in machine.fault
    assert machine.describe() == [f"GPUs: none ({machine.fault})"]
    assert machine.fault in machine.why_no_device()


def test_an_nvidia_smi_that_may_not_be_run_is_told(play: Play, tmp_path: Path) -> None:
    play(":")
    (tmp_path / "nvidia-smi").write_text("no program")
    assert read_machine().fault == "nvidia-smi cannot be run: Exec format error"


@pytest.mark.parametrize(
    ("visible", "devices"),
    [
        (None, 3),
        ("", 0),
        ("-1", 0),
        ("0", 1),
        ("2, 0", 2),
        ("0,7,1", 1),  # CUDA stops at the first that it does not know
        ("GPU-2", 1),
        ("GPU-2c,GPU-1b2c", 2),
        ("GPU-", 0),  # of several
        ("MIG-1", 0),
    ],
)
def test_a_trial_sees_what_cuda_visible_devices_names(visible: str | None, devices: int) -> None:
    uuids = ("GPU-0a1b", "GPU-1b2c", "GPU-2c3d")
    machine = Machine(tuple(Gpu(index, uuid) for index, uuid in enumerate(uuids)), visible=visible)
    assert machine.devices() == devices


def test_devices_are_unknown_with_mig() -> None:
    machine = Machine((Gpu(0, "GPU-0a1b", mig=True),), visible="MIG-1")
    assert machine.devices() is None
    assert Machine(machine.gpus, visible="").devices() == 0
