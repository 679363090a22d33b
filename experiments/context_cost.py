"""What the steps of ``experiments.context`` cost on this machine, before they start."""

from __future__ import annotations

from collections.abc import Sequence

from common.bad_input import BadInput
from experiments import preflight
from experiments.checks.command_check import TrialCommand
from experiments.steps import PipelineStep
from nas_space.network import Network
from trials.data.arguments import held_out
from trials.data.dataset import Dataset


def trial_of(step: PipelineStep) -> TrialCommand:
    """The trial command of a step. Raises BadInput where it is none of ours."""
    trial = preflight.trial_of(step.config)
    if isinstance(trial, str):
        raise BadInput(f"{step.source}: {trial}, so that its cost is not known")
    return trial


def estimated_hours(steps: Sequence[PipelineStep], network: Network, dataset: Dataset) -> dict[str, float]:
    """Hours of each step on this machine, from a few timed training steps, by name.

    Raises:
        BadInput: the data is faulty.
    """
    from experiments.from_data.timed_steps import time_steps  # imports torch

    searching = trial_of(steps[0])
    split = int(searching.arguments.split)
    train, validation = held_out(searching.arguments, dataset.split(split)[0])
    candidates = sorted({each for choice in steps[0].config["searchSpace"].values() for each in choice["_value"]} - {0})
    side_by_side = int(steps[0].config["trialConcurrency"])
    speeds = time_steps(network, dataset, train, searching.arguments.batch_size, candidates, side_by_side)

    def frames(videos: Sequence[str]) -> float:
        return sum(map(dataset.frames, videos))

    in_hours = {}
    for step in steps:
        trial = trial_of(step)
        arguments = trial.arguments
        if step.phase == "final":
            seconds = arguments.epochs * speeds.plain.epoch(frames(dataset.split(split)[0]), 0)
        else:
            speed = speeds.choosing if "differentiable" in trial.module else speeds.plain
            seconds = arguments.epochs * speed.epoch(frames(train), frames(validation))
        rounds = -(-step.trials // int(step.config["trialConcurrency"]))
        in_hours[step.name] = rounds * (speeds.start + seconds) / 3600
    return in_hours
