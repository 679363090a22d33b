"""Predict the class of every frame with a trained network."""

from __future__ import annotations

import os
import warnings
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from common.atomic_file import write_atomically, write_text
from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from nas_space.networks import add_named_network_argument
from trials.data.arguments import split_number
from trials.data.dataset import Dataset, find_dataset, is_plain_name
from trials.data.feature_files import open_features, repeat_frames
from trials.data.known_datasets import defaults_of
from trials.data.label_files import write_labels
from trials.data.segments import read_rate
from trials.evaluate import overlap_message
from trials.prediction.predicted_segments import PredictedSegments
from trials.prediction.trained_network import TrainedNetwork, read_network


def main() -> None:
    """Write the predicted class of every frame, one VIDEO.txt per video, for a split's test videos or a folder."""
    parser = command_parser(
        "trials.predict", main.__doc__, "--checkpoint runs/best/model.pt --split 1 --output predictions"
    )
    parser.add_argument(
        "--checkpoint", type=Path, required=True, help="a model.pt of trials.train, or a file of trials.export_onnx"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the label files")
    parser.add_argument(
        "--scores", action="store_true", help="also write VIDEO.npy: class probabilities (classes, frames)"
    )
    parser.add_argument(
        "--segments", action="store_true", help="also write segments.csv: each segment with its mean probability"
    )
    parser.add_argument(
        "--fps", metavar="RATE", help="frames a second, for the seconds of --segments (default: the data set's)"
    )
    parser.add_argument(
        "--features", type=Path, metavar="DIR", help="predict every DIR/*.npy: no labels, no splits needed"
    )
    parser.add_argument("--data-root", type=Path, help="folder of data sets (default: $G2L_DATA_ROOT, else ./data)")
    parser.add_argument("--dataset", metavar="NAME", help="the data set (default: the one the network was trained on)")
    parser.add_argument("--split", metavar="K", help="whose test videos to predict")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    add_named_network_argument(parser)
    arguments = parser.parse_args()
    rate = None if arguments.fps is None else read_rate(arguments.fps)
    network = read_network(arguments.checkpoint, arguments.device, arguments.network)
    if (arguments.features is None) == (arguments.split is None):
        raise BadInput("give either --split K (the test videos of a data set) or --features DIR")
    if arguments.features is not None:
        paths = _feature_files(arguments.features)
    else:
        name = arguments.dataset or network.dataset
        if arguments.dataset is None and not is_plain_name(name):
            raise BadInput(f"{arguments.checkpoint}: its data set {name!r} lies outside the data root: give --dataset")
        dataset = find_dataset(name, arguments.data_root, sample_rate=network.sample_rate)
        _check_classes(network, dataset)
        _, videos = dataset.split(split_number(arguments.split))
        paths = [dataset.feature_path(video) for video in videos]
    output, data = (Path(os.path.realpath(path)) for path in (arguments.output, arguments.features or dataset.folder))
    of_dataset = arguments.features is None
    if arguments.features is not None and (data.parent / "groundTruth").is_dir():
        data, of_dataset = data.parent, True
    if output == data or (of_dataset and output.is_relative_to(data)):
        raise BadInput(f"{arguments.output}: lies in the data, which is only read; choose another --output")

    for path in paths:  # all are checked before the first one is predicted
        open_features(path, network.feature_dim)
    segments = PredictedSegments(network.classes, rate or _known_rate(arguments.dataset or network.dataset))
    for path in tqdm(paths, unit="video", disable=None):
        features = open_features(path, network.feature_dim)
        probabilities = network.predict_file(features, path)
        full = features.shape[1]
        labels = repeat_frames(probabilities.argmax(axis=1), network.sample_rate, full)
        write_text(arguments.output / f"{path.stem}.txt", write_labels(labels, network.classes))
        if arguments.scores:
            scores = probabilities.repeat(network.sample_rate, axis=0)[:full].T
            write_atomically(arguments.output / f"{path.stem}.npy", partial(np.save, arr=scores))
        if arguments.segments:
            segments.add(path.stem, labels, probabilities.max(axis=1).repeat(network.sample_rate)[:full])
    if arguments.segments:
        write_text(arguments.output / "segments.csv", segments.text())
    trained_on = network.train_videos
    overlap = overlap_message(arguments.checkpoint, trained_on, [path.stem for path in paths])
    if overlap is not None:
        advice = "; python -m trials.evaluate --checkpoint scores both parts apart" if trained_on else ""
        warnings.warn(overlap + advice, stacklevel=1)
    seen = sum(path.stem in (trained_on or ()) for path in paths)
    print(f"{len(paths)} videos{f' ({seen} of the training)' if seen else ''}: {arguments.output}")


def _known_rate(dataset: str) -> Fraction | None:
    rate = defaults_of(dataset).frames_per_second
    return None if rate is None else Fraction(str(rate))


def _feature_files(folder: Path) -> list[Path]:
    paths = sorted(folder.glob("*.npy"))
    if not paths:
        raise BadInput(f"{folder}: no feature files (*.npy) there")
    return paths


def _check_classes(network: TrainedNetwork, dataset: Dataset) -> None:
    if list(dataset.classes) != network.classes:
        raise BadInput(
            f"{network.file}: trained on {len(network.classes)} classes of {network.dataset}, which are not the "
            f"{len(dataset.classes)} classes of {dataset.folder}"
        )


if __name__ == "__main__":
    run_command(main)
