"""Compare searches: ``python -m studies.search_quality``. Incremental, and resumable after any kill."""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Sequence
from itertools import product
from pathlib import Path
from typing import Any, get_args

from analysis.plots.figure_file import write_figure
from common.atomic_file import write_json, write_text
from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from nas_space.networks import add_network_argument
from studies.search_quality.best_of_seeds import with_best_of_seeds
from studies.search_quality.figure import draw_differences
from studies.search_quality.final_results import TABLE, read_final_results, read_rules
from studies.search_quality.preferences import draw_dilations, text_fields
from studies.search_quality.search import SearchKey
from studies.search_quality.strategy_names import GENETIC, HAND, LIMITED, LOCAL, STRATEGIES, start_of
from studies.search_quality.table import BASELINES, summarise, text_table
from studies.search_quality.work import Rules, ScoreOn, work
from trials.data.arguments import Task
from trials.data.dataset import is_plain_name
from trials.table import csv_text
from trials.training.device import find_device, handle_out_of_memory
from trials.training.settings import TrainingSettings
from trials.trial_arguments import DIFFERENTIABLE_EPOCHS


def external_structures(words: list[str]) -> dict[str, str]:
    """Paths of structure files by name, from ``NAME=PATH``. Raises BadInput for anything else, and for taken names."""
    external: dict[str, str] = {}
    for word in words:
        name, _, path = word.partition("=")
        if not is_plain_name(name) or not path or name in {*STRATEGIES, *LIMITED, *external} or start_of(name):
            raise BadInput(f"--structures {word}: expected NAME=PATH, with a plain name that is not taken")
        external[name] = path
    return external


def check_strategies(names: Sequence[str], external: Collection[str]) -> None:
    """Raises BadInput for an unknown strategy, and for one that starts from the result of a search that is missing."""
    for name in names:
        start = start_of(name)
        if start is None and name not in STRATEGIES + LIMITED:
            known = ", ".join(STRATEGIES + LIMITED)
            raise BadInput(f"--strategy {name}: unknown; there are {known}, and each with {LOCAL} or {GENETIC}")
        if start is not None and start not in {*names, *external}:
            raise BadInput(f"--strategy {name}: name {start}, too: it starts from its result")
        if start in LIMITED:
            raise BadInput(f"--strategy {name}: what starts from {start} would leave its limits")
        if name.endswith(LOCAL + GENETIC):
            raise BadInput(f"--strategy {name}: a population has powers of two only, but {start} finds any dilation")


def write_rules(output: Path, rules: dict[str, Any]) -> None:
    """Write the settings that the searches in a folder share. Raises BadInput where it has searches with others."""
    path = output / "rules.json"
    if path.exists() and read_rules(output) != rules:
        raise BadInput(f"{output}: has a comparison with other settings: choose another --output, or remove it")
    write_json(path, rules)


def report(output: Path, against: Sequence[str]) -> None:
    """Write the results so far as tables (text and CSV) and figures, and print the tables.

    Args:
        against: baselines of the printed table; empty: those of the file.
    """
    finals = read_final_results(output)
    if not finals:
        raise BadInput(f"{output}: no result of a search is trained in full yet")
    rows, searched = summarise(with_best_of_seeds(finals), {*BASELINES, *against}), summarise(finals)
    there = dict.fromkeys(row.strategy for row in rows)
    for name in against:
        if name not in there:
            raise BadInput(f"--against {name}: not compared yet; there are {'; '.join(there)}")
    rules = read_rules(output)
    share = rules.get("average_last")
    averaged = f"final trainings: weights averaged over the last {share} of the epochs\n\n" if share else ""
    if rules.get("score_on") == "validation":
        averaged += "scored on held-out videos of the training splits, in place of the test videos\n\n"
    fields = f"{averaged}{text_fields(searched)}"
    write_text(output / "table.txt", f"{text_table(rows)}\n\n{fields}\n")
    write_text(output / TABLE, csv_text([final.describe() for final in finals]))
    write_text(output / "strategies.csv", csv_text([row.describe() for row in rows]))
    write_figure(draw_differences(rows), output / "differences.svg")
    write_figure(draw_dilations(searched), output / "dilations.svg")
    print(f"{text_table(rows, against or BASELINES)}\n\n{fields}")


@handle_out_of_memory()
def main() -> None:
    """Search, train the results in full, score them once, and print the table of all strategies."""
    parser = command_parser("studies.search_quality", main.__doc__, "--dataset gtea --strategy hand random genetic")
    parser.add_argument("--data-root", type=Path, help="folder of data sets (default: $G2L_DATA_ROOT, else ./data)")
    parser.add_argument(
        "--dataset", nargs="+", default=[], metavar="NAME", help="folders of data sets in the data root"
    )
    parser.add_argument("--splits", type=int, nargs="+", metavar="K", help="(default: all)")
    parser.add_argument(
        "--strategy",
        nargs="+",
        default=[*STRATEGIES],
        metavar="NAME",
        help=f"of {', '.join(STRATEGIES)} (default: all of these), {', '.join(LIMITED)}; "
        f"NAME{LOCAL} also refines the result of NAME, NAME{GENETIC} begins a population with it",
    )
    parser.add_argument(
        "--structures",
        nargs="+",
        default=[],
        metavar="NAME=PATH",
        help="structure files from elsewhere; {dataset}, {split} and {seed} in PATH are filled in",
    )
    parser.add_argument("--search-seeds", type=int, nargs="+", default=[0, 1, 2], help="(default: 0 1 2)")
    parser.add_argument("--final-seeds", type=int, nargs="+", default=[0, 1, 2], help="(default: 0 1 2)")
    parser.add_argument(
        "--budget", type=int, default=240, help="epochs of short trainings per search (default: %(default)s)"
    )
    parser.add_argument("--epochs", type=int, default=10, help="of a short training (default: %(default)s)")
    parser.add_argument(
        "--differentiable-epochs",
        type=int,
        default=DIFFERENTIABLE_EPOCHS,
        help="of a differentiable search (default: %(default)s)",
    )
    parser.add_argument("--final-epochs", type=int, default=40, help="of a final training (default: %(default)s)")
    parser.add_argument("--final-batch-size", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--final-learning-rate", type=float, default=5e-4, help="(default: %(default)s)")
    parser.add_argument(
        "--average-last",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="in a final training, average the weights after each of the last epochs, this share of them (default: 0)",
    )
    parser.add_argument(
        "--score-on",
        choices=get_args(ScoreOn),
        default="test",
        help="final trainings: validation holds out other training videos than a search does, and scores these "
        "(default: %(default)s)",
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one per core)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("runs/search_quality"), help="(default: %(default)s)")
    parser.add_argument("--table", action="store_true", help="only print the results so far: nothing is trained")
    parser.add_argument(
        "--against",
        nargs="+",
        default=[],
        metavar="NAME",
        help=f"baselines of the printed table (default: {' '.join(BASELINES)})",
    )
    add_network_argument(parser)
    arguments = parser.parse_args()
    if not arguments.table:
        compare(arguments)
    report(arguments.output, arguments.against)


def compare(arguments: argparse.Namespace) -> None:
    """Run what the options ask for and is not done yet. Raises BadInput where they make no comparison."""
    if not arguments.dataset:
        raise BadInput("--dataset: name at least one, or give --table")
    if min(arguments.workers, arguments.epochs, arguments.differentiable_epochs) < 1 or (
        arguments.budget < 2 * arguments.epochs
    ):
        raise BadInput("at least 1 worker, 1 epoch, and a budget of two short trainings are needed")
    if min(arguments.search_seeds + arguments.final_seeds) < 0:
        raise BadInput("--search-seeds and --final-seeds must be at least 0")
    final = TrainingSettings(
        epochs=arguments.final_epochs,
        batch_size=arguments.final_batch_size,
        learning_rate=arguments.final_learning_rate,
        average_last=arguments.average_last,
    )
    external = external_structures(arguments.structures)
    check_strategies(arguments.strategy, external)
    tasks = {name: Task.of(name, arguments.data_root) for name in arguments.dataset}
    searched = [(name, split) for name, task in tasks.items() for split in arguments.splits or task.dataset.splits()]
    searched.sort(key=lambda key: key[1])
    for name, split in searched:
        tasks[name].dataset.split(split)  # refuse a missing split before anything is trained
    device = find_device(arguments.device)
    sizes = {"budget": arguments.budget, "epochs": arguments.epochs, "final_epochs": final.epochs}
    # What earlier versions' rules do not have, where it differs from what they did.
    later = {
        "average_last": 0.0,
        "differentiable_epochs": DIFFERENTIABLE_EPOCHS,
        "final_batch_size": 2,
        "final_learning_rate": 5e-4,
        "score_on": "test",
    }
    sizes |= {name: getattr(arguments, name) for name, usual in later.items() if getattr(arguments, name) != usual}
    # Comparisons of earlier versions go on with what they searched among: all powers of two.
    shorter = not (arguments.output / "rules.json").exists() or "candidates" in read_rules(arguments.output)
    sizes |= {"candidates": "shorter than the longest video"} if shorter else {}
    # The same training gives other numbers on a GPU.
    write_rules(arguments.output, {**sizes, "network": arguments.network.to_json(), "device": device.type})
    numbers = (arguments.budget, arguments.epochs, final)
    how = (arguments.score_on, shorter, arguments.differentiable_epochs)
    rules = Rules(arguments.output, tasks, arguments.network, *numbers, device, *how)
    strategies = [*arguments.strategy, *external]
    # The hand-designed structure was not searched for: it has one seed.
    keys = [
        SearchKey(name, strategy, split, seed)
        for seed, (name, split), strategy in product(arguments.search_seeds, searched, strategies)
        if strategy != HAND
    ]
    if HAND in strategies:
        keys = [SearchKey(name, HAND, split, 0) for name, split in searched] + keys
    known = read_final_results(arguments.output)
    work(rules, list(dict.fromkeys(keys)), external, arguments.final_seeds, arguments.workers, known)


if __name__ == "__main__":
    run_command(main)
