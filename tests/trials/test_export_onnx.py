"""Exported networks predict as ours do, at any length and without PyTorch, or are not written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from common.atomic_file import write_json
from common.bad_input import BadInput
from nas_space.branching import Branching, keep_branches
from nas_space.describe import describe_network
from nas_space.networks import build, find_network
from nas_space.structure import Structure
from tests.conftest import REPOSITORY
from tests.trials.conftest import Command, Exit, Trained
from trials import export_onnx, predict
from trials.export_onnx import Unequal, compare, to_onnx
from trials.prediction.onnx_network import About, load_onnx, of_content
from trials.training.checkpoint import load_checkpoint

FEATURES, CLASSES = 5, 3
ABOUT = About(FEATURES, ["cut", "peel", "mix"], "small", 2, ["mix"], ["a"], {}, {"x": 1}, {"torch": "2"})
NETWORKS = ["ms-tcn:stages=2,layers=2", "ms-tcn++:prediction=2,refinements=1,layers=2", "causal-ms-tcn:layers=2", "own"]


@pytest.fixture(params=NETWORKS)
def module(request: pytest.FixtureRequest, tmp_path: Path) -> nn.Module:
    """Each network, with two or three branches in each layer."""
    text = request.param
    if text == "own":
        write_json(tmp_path / "net.json", describe_network("tests.own_networks:chomped", FEATURES, CLASSES).to_json())
        text = str(tmp_path / "net.json")
    torch.manual_seed(0)
    structure = keep_branches(Structure.hand(find_network(text)), Branching(rate=0.5))
    return build(structure, FEATURES, CLASSES).eval()


@pytest.fixture
def exported(trained: Trained, tmp_path: Path, command: Command) -> Path:
    command(export_onnx.main, "--checkpoint", trained.checkpoint, "--output", tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def test_every_network_is_exported_for_any_length(module: nn.Module) -> None:
    assert 0 <= compare(to_onnx(module, ABOUT), module, FEATURES) < 1e-6


def test_another_network_is_noticed(module: nn.Module) -> None:
    content = to_onnx(module, ABOUT)
    with torch.no_grad():
        next(iter(module.parameters())).mul_(1.5)
    with pytest.raises(
        Unequal, match=r"on a video of 1 frames its logits differ by .* of the largest, more than 1e-05"
    ):
        compare(content, module, FEATURES)


class Baked(nn.Module):
    """A network whose output depends on the length in a way that no graph records."""

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return frames[:, :CLASSES] * float(np.log(1 + frames.shape[2]))


def test_what_depends_on_the_length_is_not_written(
    trained: Trained, tmp_path: Path, exit_of: Exit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traced at 50 frames, it is wrong at others: the comparison finds it, and no file is left."""

    def baked(self: export_onnx._Outputs, _: nn.Module) -> None:
        nn.Module.__init__(self)
        self.network = Baked()  # type: ignore[assignment]

    monkeypatch.setattr(export_onnx._Outputs, "__init__", baked)
    outcome = exit_of(export_onnx.main, "--checkpoint", trained.checkpoint, "--output", tmp_path / "model.onnx")
    assert outcome.code == 1
    assert "this network cannot be exported" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_the_file_says_what_it_is(trained: Trained, exported: Path) -> None:
    about, checkpoint = load_onnx(exported).about, load_checkpoint(trained.checkpoint)
    assert (about.classes, about.sample_rate, about.feature_dim) == (["class_0", "class_1", "class_2"], 2, 6)
    assert (about.dataset, about.background, about.train_videos) == ("small", ["class_0"], checkpoint.train_videos)
    assert Structure.from_paths(about.structure, find_network("ms-tcn:stages=2,layers=3")) == checkpoint.structure()
    assert about.network == checkpoint.network
    assert about.versions["onnx"] == onnx.__version__
    onnx.checker.check_model(onnx.load(exported), full_check=True)


def test_predictions_are_the_same(trained: Trained, exported: Path, tmp_path: Path, command: Command) -> None:
    words = ("--data-root", trained.data_root, "--split", 1, "--scores", "--segments")
    for path, name in ((trained.checkpoint, "ours"), (exported, "theirs")):
        command(predict.main, "--checkpoint", path, *words, "--output", tmp_path / name)
    names = sorted(path.name for path in (tmp_path / "ours").iterdir())
    assert len(names) == 9
    for name in names:
        ours, theirs = tmp_path / "ours" / name, tmp_path / "theirs" / name
        if name.endswith(".npy"):
            np.testing.assert_allclose(np.load(theirs), np.load(ours), atol=1e-6)
        elif name == "segments.csv":
            one, other = ([line.rsplit(",", 1) for line in path.read_text().splitlines()] for path in (ours, theirs))
            assert [segment for segment, _ in one] == [segment for segment, _ in other]
            for (_, mean), (_, of_onnx) in zip(one[1:], other[1:], strict=True):
                assert float(mean) == pytest.approx(float(of_onnx), abs=2e-6)
        else:
            assert theirs.read_bytes() == ours.read_bytes()


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = sys.modules["nni"] = None
from trials import predict
predict.main()
"""


def test_predictions_need_no_pytorch(trained: Trained, exported: Path, tmp_path: Path) -> None:
    words = ("--checkpoint", exported, "--features", trained.dataset / "features", "--output", tmp_path / "out")
    command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, words), "--segments"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, len(list((tmp_path / "out").iterdir()))) == (0, 17), done.stderr


def test_its_own_name_and_place(trained: Trained, tmp_path: Path, exported: Path, exit_of: Exit) -> None:
    words = ("--checkpoint", trained.checkpoint, "--output", tmp_path / "model.bin")
    assert "the name must end with .onnx" in exit_of(export_onnx.main, *words).err
    onnx_words = ("--checkpoint", exported, "--features", tmp_path, "--output", tmp_path / "new", "--device", "cuda")
    assert "an ONNX network runs on the CPU here: leave --device out" in exit_of(predict.main, *onnx_words).err


def other(**changes: object) -> Callable[[bytes], bytes]:
    """The same graph, with other entries."""

    def changed(content: bytes) -> bytes:
        model = onnx.load_from_string(content)
        entries = {each.key: each.value for each in model.metadata_props} | {k: str(v) for k, v in changes.items()}
        del model.metadata_props[:]
        onnx.helper.set_model_props(model, {name: value for name, value in entries.items() if value != "None"})
        return bytes(model.SerializeToString())

    return changed


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda _: b"", "not an ONNX network, or damaged"),
        (lambda of: of[: len(of) // 2], "not an ONNX network, or damaged"),
        (lambda _: b"text", "not an ONNX network, or damaged"),
        (other(format="other"), "not one of python -m trials.export_onnx (ValueError: format)"),
        (other(format=None), "not one of python -m trials.export_onnx (KeyError: 'format')"),
        (other(classes="[]"), "(ValueError: classes or dataset)"),
        (other(classes='["a", "b"]'), "(ValueError: inputs or outputs)"),
        (other(classes='["a", "b\\nc", "d"]'), "(ValueError: classes)"),
        (other(classes='"abc"'), "(TypeError: classes)"),
        (other(background="null"), "(TypeError: background)"),
        (other(sample_rate="0"), "(ValueError: sample_rate)"),
        (other(sample_rate="x"), "(JSONDecodeError: "),
        (other(feature_dim="7"), "(ValueError: inputs or outputs)"),
        (other(dataset="3"), "(ValueError: classes or dataset)"),
    ],
)
def test_what_is_not_one_of_ours_is_refused_in_one_line(damage: Callable[[bytes], bytes], message: str) -> None:
    torch.manual_seed(0)
    module = build(Structure.hand(find_network("ms-tcn:stages=1,layers=1")), FEATURES, CLASSES)
    with pytest.raises(BadInput) as refusal:
        of_content(damage(to_onnx(module, replace(ABOUT))))
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("threads", ["2,1", "abc", "-3", "", "0"])
def test_any_number_of_threads(exported: Path, threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert load_onnx(exported).predict(np.zeros((4, 6), np.float32)).shape == (4, 3)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such network"):
        load_onnx(tmp_path / "model.onnx")
