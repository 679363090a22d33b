"""The predict command: label files in the format and length of the true ones, with or without a data set."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
import torch

from common.bad_input import BadInput
from nas_space.layers.packed_videos import PackedVideos
from tests.conftest import write_dataset
from tests.forked import shell
from tests.trials.conftest import Command, Exit, Trained, tree
from trials import import_labels
from trials.predict import main
from trials.training import scoring
from trials.training.checkpoint import load_checkpoint, save_checkpoint

TEST_VIDEOS = ("p06-1", "p06-2", "p07-1", "p07-2")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "predictions"


def frames(trained: Trained, video: str) -> int:
    return np.load(trained.dataset / "features" / f"{video}.npy").shape[1]


def copy(trained: Trained, folder: Path, videos: tuple[str, ...] = TEST_VIDEOS) -> Path:
    folder.mkdir()
    for video in videos:
        (folder / f"{video}.npy").write_bytes((trained.dataset / "features" / f"{video}.npy").read_bytes())
    return folder


def test_label_files_are_as_the_true_ones(trained: Trained, output: Path, exit_of: Exit) -> None:
    before = tree(trained.data_root)
    words = ("--checkpoint", trained.checkpoint, "--data-root", trained.data_root, "--split", 1, "--output", output)
    outcome = exit_of(main, *words)
    assert (outcome.code, outcome.out) == (0, f"4 videos: {output}\n")
    assert sorted(path.name for path in output.iterdir()) == [f"{video}.txt" for video in TEST_VIDEOS]
    assert {frames(trained, video) % 2 for video in TEST_VIDEOS} == {0, 1}  # both ends of every second frame
    for video in TEST_VIDEOS:
        text = (output / f"{video}.txt").read_text()
        assert text.endswith("\n")
        assert len(text.splitlines()) == frames(trained, video)
        assert set(text.split()) <= {"class_0", "class_1", "class_2"}
    assert tree(trained.data_root) == before


def test_a_full_gpu_is_reported_in_one_line(
    trained: Trained, output: Path, exit_of: Exit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(scoring, "predict", full)
    words = ("--checkpoint", trained.checkpoint, "--data-root", trained.data_root, "--split", 1, "--output", output)
    outcome = exit_of(main, *words)
    assert (outcome.code, "the GPU's memory is full; lower --batch-size" in outcome.err) == (1, True)


def test_every_frame_has_its_most_probable_class(trained: Trained, output: Path, command: Command) -> None:
    words = ("--checkpoint", trained.checkpoint, "--data-root", trained.data_root, "--split", 1, "--output", output)
    command(main, *words, "--scores")
    network = load_checkpoint(trained.checkpoint).module().eval()
    for video in TEST_VIDEOS:
        features = np.load(trained.dataset / "features" / f"{video}.npy")
        sampled = torch.from_numpy(features[:, ::2].T.copy())
        with torch.no_grad():
            expected = network(PackedVideos(sampled, (0, len(sampled))))[-1].softmax(dim=1).numpy()
        scores = np.load(output / f"{video}.npy")
        assert scores.shape == (3, features.shape[1])
        assert scores.dtype == np.float32
        assert scores.sum(axis=0) == pytest.approx(1)
        for frame in range(features.shape[1]):
            # The command takes a GPU where there is one, which rounds otherwise than a CPU.
            assert scores[:, frame] == pytest.approx(expected[frame // 2], rel=1e-3)
        names = (output / f"{video}.txt").read_text().split()
        assert names == [f"class_{index}" for index in scores.argmax(axis=0)]


def test_features_without_labels_and_splits(trained: Trained, output: Path, tmp_path: Path, command: Command) -> None:
    copied = copy(trained, tmp_path / "features")
    command(main, "--checkpoint", trained.checkpoint, "--features", copied, "--output", output)
    split = tmp_path / "split"
    words = ("--checkpoint", trained.checkpoint, "--data-root", trained.data_root, "--split", 1, "--output", split)
    command(main, *words)
    assert tree(output) == tree(split)
    assert len(tree(output)) == 4


def test_dataset_of_another_name(
    trained: Trained, output: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").symlink_to(trained.dataset)
    monkeypatch.setenv("G2L_DATA_ROOT", str(tmp_path))
    command(main, "--checkpoint", trained.checkpoint, "--dataset", "other", "--split", 1, "--output", output)
    assert len(tree(output)) == 4


def test_the_name_of_the_data_set_leads_out_of_no_data_root(trained: Trained, tmp_path: Path, exit_of: Exit) -> None:
    for name in ("../small", "/etc", "a/../../small"):
        path = tmp_path / "model.pt"
        save_checkpoint(path, replace(load_checkpoint(trained.checkpoint), dataset=name))
        words = ("--checkpoint", path, "--data-root", trained.data_root, "--split", 1, "--output", tmp_path / "out")
        outcome = exit_of(main, *words)
        message = f"error: {path}: its data set {name!r} lies outside the data root: give --dataset\n"
        assert (outcome.code, outcome.err) == (2, message)
        assert exit_of(main, *words, "--dataset", "small").code == 0


def test_video_shorter_than_the_receptive_field(
    trained: Trained, output: Path, tmp_path: Path, command: Command
) -> None:
    (tmp_path / "features").mkdir()
    for number in (1, 2, 3):
        np.save(tmp_path / "features" / f"{number}.npy", np.ones((6, number), np.float32))
    command(main, "--checkpoint", trained.checkpoint, "--features", tmp_path / "features", "--output", output)
    assert [len((output / f"{number}.txt").read_text().split()) for number in (1, 2, 3)] == [1, 2, 3]


# Segments.


def test_segments_are_the_runs_of_the_labels(trained: Trained, output: Path, command: Command) -> None:
    words = ("--checkpoint", trained.checkpoint, "--data-root", trained.data_root, "--split", 1, "--output", output)
    command(main, *words, "--scores", "--segments", "--fps", "12.5")
    with open(output / "segments.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(dict.fromkeys(row["video"] for row in rows)) == list(TEST_VIDEOS)
    for video in TEST_VIDEOS:
        names = (output / f"{video}.txt").read_text().split()
        scores, end = np.load(output / f"{video}.npy"), 0
        own = [row for row in rows if row["video"] == video]
        for label, run in groupby(names):
            row, start, end = own.pop(0), end, end + len(list(run))
            assert (row["label"], int(row["start"]), int(row["end"])) == (label, start, end)
            assert (row["start_seconds"], row["end_seconds"]) == (f"{start * 0.08:.6f}", f"{end * 0.08:.6f}")
            mean = scores[int(label.removeprefix("class_")), start:end].mean()
            assert float(row["probability"]) == pytest.approx(mean, abs=1e-5)
        assert own == []


def test_predicted_segments_can_be_imported_again(
    trained: Trained, output: Path, tmp_path: Path, command: Command
) -> None:
    words = ("--checkpoint", trained.checkpoint, "--data-root", trained.data_root, "--split", 1, "--output", output)
    command(main, *words, "--segments")
    assert (output / "segments.csv").read_text().startswith("video,label,start,end,probability\n")
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "features").symlink_to(trained.dataset / "features")
    importing = ("--unit", "frames", "--folds", 2, "--output", tmp_path / "again")
    command(import_labels.main, output / "segments.csv", *importing)
    labels = {name: digest for name, digest in tree(output).items() if name.endswith(".txt")}
    assert tree(tmp_path / "again" / "groundTruth") == labels


def test_seconds_at_the_rate_of_a_known_data_set(
    trained: Trained, output: Path, tmp_path: Path, command: Command
) -> None:
    (tmp_path / "hmr").symlink_to(trained.dataset)
    words = ("--data-root", tmp_path, "--dataset", "hmr", "--split", 1, "--segments", "--output", output)
    command(main, "--checkpoint", trained.checkpoint, *words)
    with open(output / "segments.csv", newline="") as file:
        assert all(float(row["end_seconds"]) == int(row["end"]) / 50 for row in csv.DictReader(file))


# Refusals.


def test_no_frame_rate(trained: Trained, output: Path, command: Command) -> None:
    words = ("--checkpoint", trained.checkpoint, "--data-root", trained.data_root, "--split", 1, "--output", output)
    with pytest.raises(BadInput, match="--fps 0: not a frame rate"):
        command(main, *words, "--segments", "--fps", 0)
    assert not output.exists()


@pytest.mark.parametrize("options", [(), ("--split", 1, "--features", "x")], ids=["neither", "both"])
def test_split_or_features(options: tuple[object, ...], trained: Trained, output: Path, command: Command) -> None:
    with pytest.raises(BadInput, match="give either --split K"):
        command(main, "--checkpoint", trained.checkpoint, "--output", output, *options)


@pytest.mark.parametrize("classes", [2, 4])
def test_other_classes_are_refused(
    trained: Trained, output: Path, tmp_path: Path, command: Command, classes: int
) -> None:
    write_dataset(tmp_path / "other", classes=classes)
    words = ("--checkpoint", trained.checkpoint, "--data-root", tmp_path, "--dataset", "other", "--output", output)
    with pytest.raises(BadInput, match=f"trained on 3 classes of small, which are not the {classes} classes of"):
        command(main, *words, "--split", 1)
    assert not output.exists()


def test_other_feature_dimension_is_refused(trained: Trained, output: Path, tmp_path: Path, command: Command) -> None:
    np.save(tmp_path / "x.npy", np.zeros((7, 40)))
    with pytest.raises(BadInput, match=r"x\.npy: 7 channels, but 6 are expected"):
        command(main, "--checkpoint", trained.checkpoint, "--features", tmp_path, "--output", output)


def test_nan_is_refused(trained: Trained, output: Path, tmp_path: Path, command: Command) -> None:
    np.save(tmp_path / "x.npy", np.full((6, 40), np.nan))
    with pytest.raises(BadInput, match=r"x\.npy: NaN or infinity"):
        command(main, "--checkpoint", trained.checkpoint, "--features", tmp_path, "--output", output)


@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_no_features_are_refused(trained: Trained, output: Path, tmp_path: Path, command: Command, folder: str) -> None:
    with pytest.raises(BadInput, match="no feature files"):
        command(main, "--checkpoint", trained.checkpoint, "--features", tmp_path / folder, "--output", output)


def test_features_are_not_overwritten(trained: Trained, tmp_path: Path, command: Command) -> None:
    copied = copy(trained, tmp_path / "features")
    before = tree(copied)
    with pytest.raises(BadInput, match="--output"):
        command(main, "--checkpoint", trained.checkpoint, "--features", copied, "--output", copied, "--scores")
    assert tree(copied) == before


def test_labels_are_not_overwritten(trained: Trained, command: Command) -> None:
    before = tree(trained.data_root)
    words = ("--checkpoint", trained.checkpoint, "--data-root", trained.data_root, "--split", 1)
    features = ("--checkpoint", trained.checkpoint, "--features", trained.dataset / "features")
    for given in (words, features):
        with pytest.raises(BadInput, match="lies in the data, which is only read"):
            command(main, *given, "--output", trained.dataset / "groundTruth")
    assert tree(trained.data_root) == before


def test_nothing_is_written_into_a_data_set_without_labels(trained: Trained, tmp_path: Path, command: Command) -> None:
    shutil.copytree(trained.dataset, tmp_path / "data" / "small")
    shutil.rmtree(tmp_path / "data" / "small" / "groundTruth")
    words = ("--checkpoint", trained.checkpoint, "--data-root", tmp_path / "data", "--split", 1)
    with pytest.raises(BadInput, match="lies in the data, which is only read"):
        command(main, *words, "--output", tmp_path / "data" / "small" / "predictions")
    command(main, *words, "--output", tmp_path / "out")


def test_a_shell_sees_one_line_and_no_traceback(output: Path, tmp_path: Path) -> None:
    torch.save({"weights": 1}, tmp_path / "model.pt")
    outcome = shell("trials.predict", "--checkpoint", tmp_path / "model.pt", "--split", 1, "--output", output)
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith(f"error: {tmp_path / 'model.pt'}: not a checkpoint of this project")
    assert outcome.stderr.count("\n") == 1


# Training videos among them.


@pytest.mark.filterwarnings("default")  # as a user has them
def test_training_videos_are_counted_and_named(trained: Trained, output: Path, exit_of: Exit) -> None:
    words = ("--checkpoint", trained.checkpoint, "--features", trained.dataset / "features", "--output", output)
    outcome = exit_of(main, *words)
    assert (outcome.code, outcome.out) == (0, f"16 videos (12 of the training): {output}\n")
    assert outcome.err == (
        f"warning: {trained.checkpoint} was trained on 12 of these 16 videos (p00-1, p00-2, p01-1, ...); "
        "python -m trials.evaluate --checkpoint scores both parts apart\n"
    )


@pytest.mark.filterwarnings("default")  # as a user has them
def test_a_checkpoint_of_an_earlier_version_does_not_know_them(
    trained: Trained, output: Path, tmp_path: Path, exit_of: Exit
) -> None:
    path = tmp_path / "old.pt"
    save_checkpoint(path, replace(load_checkpoint(trained.checkpoint), train_videos=None))
    words = ("--checkpoint", path, "--features", trained.dataset / "features", "--output", output)
    outcome = exit_of(main, *words)
    assert (outcome.code, outcome.out) == (0, f"16 videos: {output}\n")
    assert outcome.err == (
        f"warning: {path}: made by an earlier version, which did not note the training videos: "
        "whether these are among them is not known\n"
    )
