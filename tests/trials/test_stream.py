"""The commands that write a stream, and that label what comes through standard input."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from common.atomic_file import write_json
from nas_space.describe import describe_network
from nas_space.networks import find_network
from tests.trials.conftest import Command, Exit, Trained
from trials import export_stream, predict, stream, train
from trials.prediction.stream_layers import Floats
from trials.prediction.streaming import Stream


@pytest.fixture
def path(trained: Trained, tmp_path: Path, command: Command) -> Path:
    command(export_stream.main, "--checkpoint", trained.checkpoint, "--output", tmp_path / "stream.npz")
    return tmp_path / "stream.npz"


def standard_input(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))


def video(trained: Trained) -> Floats:
    """Of a test video, all frames: ``(frames, channels)``."""
    return np.load(trained.dataset / "features" / "p06-1.npy").T


def as_bytes(frames: Floats) -> bytes:
    return np.ascontiguousarray(frames, np.float32).tobytes()


def as_text(frames: Floats) -> bytes:
    return "".join(", ".join(f"{value!r}" for value in frame) + "\n" for frame in frames.tolist()).encode()


def test_what_the_export_says(trained: Trained, tmp_path: Path, exit_of: Exit) -> None:
    words = ("--checkpoint", trained.checkpoint, "--output", tmp_path / "stream.npz", "--precision", "float64")
    outcome = exit_of(export_stream.main, *words)
    lines = outcome.out.splitlines()
    assert lines[0].startswith("300 frames one by one: the probabilities are those of the whole video to ")
    assert float(lines[0].split()[-1]) < 1e-12
    # 2 stages x (1 + 2 + 4) frames after the present one; rings of twice that and 6 pieces of 32, 64 channels.
    assert lines[1] == f"labels come 14 frames (of those it reads) later; the rings take {220 * 64 * 8 / 1e3:.0f} kB"
    assert lines[2] == str(tmp_path / "stream.npz")
    assert Stream(tmp_path / "stream.npz").classes == ["class_0", "class_1", "class_2"]


@pytest.mark.parametrize("text", [False, True])
def test_label_changes_are_those_of_the_predictions(
    text: bool, trained: Trained, path: Path, tmp_path: Path, exit_of: Exit, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--checkpoint", trained.checkpoint, "--data-root", trained.data_root, "--split", 1)
    assert exit_of(predict.main, *words, "--output", tmp_path / "out").code == 0
    labels = (tmp_path / "out" / "p06-1.txt").read_text().split()
    standard_input(monkeypatch, (as_text if text else as_bytes)(video(trained)))
    outcome = exit_of(stream.main, path, *(["--text"] if text else []))
    changes = [line.split("\t") for line in outcome.out.splitlines()]
    starts = [frame for frame, label in enumerate(labels) if frame == 0 or label != labels[frame - 1]]
    assert [(int(frame), label) for frame, label, _ in changes] == [(start, labels[start]) for start in starts]
    assert len(changes) > 1
    assert all(1 / 3 <= float(probability) <= 1 for *_, probability in changes)


def test_seconds_are_shown_on_request(
    trained: Trained, path: Path, exit_of: Exit, monkeypatch: pytest.MonkeyPatch
) -> None:
    standard_input(monkeypatch, as_bytes(video(trained)))
    frames = [int(line.split()[0]) for line in exit_of(stream.main, path).out.splitlines()]
    standard_input(monkeypatch, as_bytes(video(trained)))
    seconds = [line.split()[0] for line in exit_of(stream.main, path, "--fps", 4).out.splitlines()]
    assert seconds == [f"{frame / 4:.2f}" for frame in frames]
    assert "--fps must be above 0, not 0.0" in exit_of(stream.main, path, "--fps", 0).err


def test_no_frames_are_no_changes(path: Path, exit_of: Exit, monkeypatch: pytest.MonkeyPatch) -> None:
    standard_input(monkeypatch, b"")
    outcome = exit_of(stream.main, path)
    assert (outcome.code, outcome.out) == (0, "")


@pytest.mark.parametrize(
    ("content", "words", "message"),
    [
        (as_bytes(np.zeros((3, 6)))[:-1], (), "standard input: frame 2 ends after 23 of 24 bytes"),
        (as_bytes(np.full((1, 6), np.nan)), (), "frame 0: NaN, infinity, or beyond float32"),
        (b"1 2 3 4 5 6\n1 2\n", ("--text",), "standard input, line 2: 2 numbers, but a frame has 6"),
        (b"1 2 3 4 5 x\n", ("--text",), "standard input, line 1: not 6 numbers"),
        (b"1 2 3 4 5 \xff\n", ("--text",), "standard input, line 1: not 6 numbers"),
        (b"1 2 3 4 5 inf\n", ("--text",), "frame 0: NaN, infinity, or beyond float32"),
        (b"1 2 3 4 5 1e300\n", ("--text",), "frame 0: NaN, infinity, or beyond float32"),
    ],
)
def test_bad_frames_are_refused_in_one_line(
    path: Path, exit_of: Exit, monkeypatch: pytest.MonkeyPatch, content: bytes, words: tuple[str, ...], message: str
) -> None:
    standard_input(monkeypatch, content)
    outcome = exit_of(stream.main, path, *words)
    assert (outcome.code, outcome.err) == (2, f"error: {message}\n")


def test_another_network_is_not_written(
    trained: Trained, tmp_path: Path, exit_of: Exit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_stream, "TOLERANCE", -1.0)
    (tmp_path / "stream.npz").write_text("an earlier one")
    outcome = exit_of(export_stream.main, "--checkpoint", trained.checkpoint, "--output", tmp_path / "stream.npz")
    assert (outcome.code, "this network cannot be streamed" in outcome.err) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["stream.npz"]
    assert (tmp_path / "stream.npz").read_text() == "an earlier one"
    outcome = exit_of(export_stream.main, "--checkpoint", trained.checkpoint, "--output", tmp_path / "stream")
    assert "the name must end with .npz" in outcome.err


def test_networks_of_others_are_refused(trained: Trained, tmp_path: Path, command: Command, exit_of: Exit) -> None:
    write_json(tmp_path / "net.json", describe_network("tests.own_networks:residual", 6, 3).to_json())
    network = find_network(str(tmp_path / "net.json"))
    words = ("--data-root", trained.data_root, "--dataset", "small", "--split", 1, "--network", network)
    schedule = ("--epochs", 1, "--batch-size", 4, "--device", "cpu", "--structure", "hand")
    command(train.main, *words, *schedule, "--output", tmp_path / "own")
    where = ("--checkpoint", tmp_path / "own" / "model.pt", "--output", tmp_path / "stream.npz")
    outcome = exit_of(export_stream.main, *where, "--network", network)
    assert (outcome.code, "only our own networks can be streamed" in outcome.err) == (2, True)
