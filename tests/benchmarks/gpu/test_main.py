"""The benchmark of a GPU runs on a CPU, with PyTorch and NumPy alone."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest
import torch

from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu.start import FEATURES
from benchmarks.gpu.step import Size
from common.bad_input import BadInput, KnownFailure
from tests.conftest import REPOSITORY
from trials.training.training import Training

ALONE = """
import sys

for name in ("nni", "yaml", "tqdm", "scipy", "pandas", "matplotlib", "sklearn", "psutil", "tensorboard", "requests"):
    sys.modules[name] = None
import torch
torch.set_num_threads(1)
from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu import step as gpu_step
gpu.BREAKFAST = gpu_step.Size(videos=20, frames=30, feature_dim=8, classes=5, batch_size=2)
from common.bad_input import run_command
run_command(gpu.main)
"""
"""The command on tiny videos, where nothing else can be imported."""


def alone(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", ALONE, *options]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def test_it_needs_pytorch_and_numpy_alone() -> None:
    done = alone("--device", "cpu", "--fraction", "0.2", "--rounds", "1")
    assert done.returncode == 0, done.stderr
    assert "Trials an hour through NNI: not measured (nni, yaml, tqdm cannot be imported)" in done.stdout
    assert done.stderr == "round 1 of 1\n"
    lines = done.stdout.splitlines()
    assert "4 of 20 made-up videos: 120 frames of 8 channels, 5 classes; steps on 2 videos each" in lines[1]
    rows = {line[:60].strip(): line[60:].split() for line in lines if len(line) > 60}
    for network in ("plain", "branched", "choosing"):
        for place in ("in host memory", "on the device"):
            for work in ("", " prediction, ms"):
                before, after, replayed, ratio, second, *memory = rows[f"{network}{work}, features {place}, default"]
                assert float(ratio) == pytest.approx(float(before) / float(after), rel=1e-2)
                if work:
                    assert (replayed, second) == ("-", "-")
                else:
                    assert float(second) == pytest.approx(float(after) / float(replayed), rel=1e-2)
                assert memory == ["-", "-"]
    assert float(rows["plain x 2"][2]) > 0
    assert "plain x 4" not in rows
    assert [len(rows[f"default, {unit}"]) for unit in ("TFLOP/s", "GB/s")] == [7, 7]
    assert all(float(rows[stage][0]) > 0 for stage in ("start of Python", "import of PyTorch", "import of the trial"))
    assert float(rows["genetic search, breakfast_paper.yml: 5000 x 5 epochs"][0]) > 0


def test_it_counts_the_operators_of_a_step() -> None:
    done = alone("--count-operators")
    assert (done.returncode, done.stderr) == (0, "")
    _, _, *rows, bar = done.stdout.splitlines()
    assert [row.split()[0] for row in rows] == ["plain", "branched", "choosing"]
    views, others = (int(number) for number in rows[0].split()[1:3])
    # 40 layers, each with more than a dozen operators in the padded form, forwards and backwards.
    assert others > 40 * 12
    assert views > 0
    assert bar.startswith("bar of plain, after, others: <= 600")


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["command"])
    with pytest.raises(BadInput, match="there is no GPU here"):
        gpu.main()


@pytest.mark.parametrize(
    ("option", "value"), [("--fraction", "0"), ("--fraction", "1.5"), ("--rounds", "0"), ("--trials", "1")]
)
def test_what_cannot_be_measured_is_refused(option: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["command", option, value])
    with pytest.raises(BadInput, match=option):
        gpu.main()


def test_every_precision_has_its_rows(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As on a GPU, but for bf16, which only a GPU trains in; on a CPU the others make no difference."""
    monkeypatch.setattr(gpu, "precisions_on", lambda _: ("default", "float32", "TF32"))
    monkeypatch.setattr(gpu, "start_stages", lambda *_: {"start of Python": 1.0, FEATURES: 2.0})
    size = Size(videos=6, frames=20, feature_dim=8, classes=5, batch_size=2)
    gpu.run(torch.device("cpu"), size, argparse.Namespace(fraction=1.0, rounds=1, trials=0))
    rows = {line[:60].strip(): line[60:].split() for line in capsys.readouterr().out.splitlines()}
    for network in ("plain", "branched", "choosing"):
        assert [len(rows[f"{network}, features on the device, {each}"]) for each in ("float32", "TF32")] == [7, 7]
    assert [f"{each}, TFLOP/s" in rows for each in ("default", "float32", "TF32")] == [False, True, True]
    assert [rows[f"{form}, {each}"] for form in ("before", "after") for each in ("default", "TF32")] == [["0"]] * 4
    assert rows["start of Python"] == ["1"]


def test_the_rest_is_printed_where_a_step_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no graph here")

    monkeypatch.setattr(Training, "replay", fails)
    monkeypatch.setattr(gpu, "start_stages", lambda *_: {"start of Python": 1.0, FEATURES: 2.0})
    size = Size(videos=6, frames=20, feature_dim=8, classes=5, batch_size=2)
    with pytest.raises(KnownFailure, match=r"^7 of 32 could not be timed, the first is Side\(work='step'"):
        gpu.run(torch.device("cpu"), size, argparse.Namespace(fraction=1.0, rounds=1, trials=0))
    printed = capsys.readouterr()
    rows = {line[:60].strip(): line[60:].split() for line in printed.out.splitlines()}
    before, after, *others = rows["plain, features on the device, default"]
    assert others[0] == "failed"
    assert float(before) > 0
    assert float(after) > 0
    *hours, replayed = rows["the default search: the last three"]
    assert replayed == "failed"
    assert all(float(each) > 0 for each in hours)
    assert printed.err.count("RuntimeError: no graph here") == 7


def test_a_cpu_has_one_precision() -> None:
    size = Size(videos=1, frames=20, feature_dim=8, classes=5)
    ((video,),) = size.batches(1)
    assert gpu.logit_differences(size, video, torch.device("cpu")) == {}
