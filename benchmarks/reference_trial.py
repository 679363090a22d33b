"""A trial of a search in the usual formulation, to measure against: feature files and label files read every epoch."""

from __future__ import annotations

import random
from pathlib import Path

import nni
import numpy as np
import torch

from benchmarks.reference import HAND, ReferenceNetwork, ReferenceTraining, plain_branches
from benchmarks.reference_evaluation import Names, predicted_names, reference_scores
from trials.data.dataset import Dataset
from trials.data.feature_files import Features
from trials.data.label_files import Labels


def read_names(dataset: Dataset, video: str) -> Names:
    """The class name of each frame of a video."""
    return dataset.label_path(video).read_text().split("\n")[:-1]


def read_video(dataset: Dataset, video: str) -> tuple[Features, Labels]:
    """Features ``(channels, frames)`` and labels ``(frames,)``, frame by frame."""
    features = np.load(dataset.feature_path(video)).astype(np.float32)
    names = read_names(dataset, video)
    labels = np.zeros(min(features.shape[1], len(names)), dtype=np.int64)
    for frame in range(len(labels)):
        labels[frame] = dataset.class_ids[names[frame]]
    return features[:, : len(labels)], labels


@torch.no_grad()
def evaluate(network: ReferenceNetwork, dataset: Dataset, videos: tuple[str, ...]) -> dict[str, float]:
    """Metrics on validation videos."""
    network.eval()
    truth, predictions = [], []
    for video in videos:
        features = np.load(dataset.feature_path(video)).astype(np.float32)
        logits = network(torch.from_numpy(features)[None], torch.ones(1, 1, features.shape[1]))
        predictions.append(predicted_names(logits[-1, 0], dataset.class_ids))
        truth.append(read_names(dataset, video)[: len(predictions[-1])])
    network.train()
    return reference_scores(truth, [names[: len(true)] for names, true in zip(predictions, truth, strict=True)])


def train_and_report(
    folder: Path, train_videos: tuple[str, ...], validation_videos: tuple[str, ...], epochs: int
) -> None:
    """Train ``hand`` with batches of one video, and report to NNI after each epoch."""
    nni.get_next_parameter()
    dataset = Dataset(folder)
    feature_dim = np.load(dataset.feature_path(train_videos[0])).shape[0]
    network = ReferenceNetwork(plain_branches(HAND), feature_dim, len(dataset.classes))
    training, order = ReferenceTraining(network), list(train_videos)
    for epoch in range(epochs):
        random.shuffle(order)
        for video in order:
            features, labels = read_video(dataset, video)
            training.step([features], [labels])
        metrics = evaluate(network, dataset, validation_videos)
        report = {"default": float(np.mean(list(metrics.values()))), **metrics}
        if epoch < epochs - 1:
            nni.report_intermediate_result(report)
    nni.report_final_result(report)
