"""Small NNI experiments on this machine, and the same simulated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.interleaved import REPOSITORY
from benchmarks.load import configuration
from experiments.demo_data import write_demo
from nas_space.branching import Branching
from nas_space.networks import DEFAULT, find_network
from nas_space.space import global_space, local_space, to_nni
from studies.scale.costs import Costs
from studies.scale.real_run import RealRun, run_experiment
from studies.scale.simulate import Work, simulate
from studies.scale.works import genetic_work, local_work, training_work

NETWORK = find_network("ms-tcn:stages=1,layers=2")
CANDIDATES = (1, 4, 16)
EPOCHS = 2
OPTIONS = f"--dataset demo --network {NETWORK} --device cpu --threads 1 --batch-size 1 --learning-rate 5e-3"
BUDGET, CHAINS, ITERATIONS, SEEDS = 8, 3, 3, 5
DO_NOTHING, DO_NOTHING_WORKERS = 1000, 32


@dataclass(frozen=True)
class Comparison:
    """An experiment, real and simulated."""

    name: str
    workers: int
    config: dict[str, Any]
    work: Callable[[float], Work]
    """By the seconds of a trial."""

    def run(self, folder: Path) -> RealRun:
        """Run the real one. Raises KnownFailure where it fails."""
        return run_experiment(self.config, folder)

    def simulated(self, run: RealRun, costs: Costs) -> float:
        """Seconds from the start of the first trial to the end of the last, with the real run's mean trial."""
        outcome = simulate([self.work(run.trial_seconds)], self.workers, replace(costs, start=0.0))
        assert outcome.trials == run.trials
        return outcome.seconds - outcome.first_start


def real_searches(folder: Path, workers: int) -> list[Comparison]:
    """A small search of each kind on the demo data, which is written into a folder."""
    write_demo(folder / "data" / "demo", train=8, test=2, seed=0)
    seeds = list(range(SEEDS))
    shown = {"structure": ["hand"], "split": [1], "seed": seeds}
    choices = {name: {"_type": "choice", "_value": values} for name, values in shown.items()}
    space = to_nni(global_space(NETWORK, CANDIDATES))

    def config(module: str, options: str, tuner: str, search_space: dict[str, Any], **arguments: Any) -> dict[str, Any]:
        command = f"python3 -m trials.{module} {OPTIONS} --data-root {folder / 'data'} --epochs {EPOCHS} {options}"
        return {
            "experimentName": "scale",
            "trialCommand": command,
            "trialCodeDirectory": str(REPOSITORY),
            "trialConcurrency": workers,
            "searchSpace": search_space,
            "tuner": {
                "className": f"strategies.tuners.{tuner}",
                "codeDirectory": str(REPOSITORY),
                "classArgs": {"network": str(NETWORK), **arguments},
            },
            "trainingService": {"platform": "local"},
        }

    return [
        Comparison(
            "genetic",
            workers,
            config("search_trial", "--split 1", "GlobalTuner", space, population_size=4, budget=BUDGET),
            lambda seconds: genetic_work(NETWORK, 4, BUDGET, seconds, EPOCHS, CANDIDATES),
        ),
        Comparison(
            "differentiable",
            workers,
            config("differentiable_trial", "--split 1", "DifferentiableTuner", space, seeds=seeds),
            lambda seconds: training_work(SEEDS, seconds, EPOCHS),
        ),
        Comparison(
            "local",
            workers,
            config(
                "local_trial",
                "--decay-epochs",
                "LocalTuner",
                to_nni(local_space(NETWORK)),
                starts=["hand"],
                splits=[1],
                seeds=list(range(CHAINS)),
                iterations=ITERATIONS,
            ),
            lambda seconds: local_work(NETWORK, Branching(), CHAINS, ITERATIONS, seconds, EPOCHS),
        ),
        Comparison(
            "final",
            workers,
            config(
                "final_trial",
                f"--output {folder / 'final'}",
                "FinalTuner",
                choices,
                structures=["hand"],
                splits=[1],
                seeds=seeds,
            ),
            lambda seconds: training_work(SEEDS, seconds, EPOCHS),
        ),
    ]


def do_nothing(trials: int = DO_NOTHING, workers: int = DO_NOTHING_WORKERS) -> Comparison:
    """Trials that do nothing, as ``benchmarks.load global`` has them."""
    network = find_network(DEFAULT)
    return Comparison(
        f"{trials} that do nothing",
        workers,
        configuration("global", trials, workers),
        lambda seconds: genetic_work(network, 50, trials, seconds, epochs=0),
    )
