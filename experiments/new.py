"""Write experiment files for a new data set: commented, with schedules and costs that fit it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

from common.atomic_file import write_text
from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from experiments import plan
from experiments.experiment_paths import ROOT, ExperimentPaths
from experiments.from_data.data_look import look_at
from experiments.from_data.new_texts import texts
from experiments.from_data.phases import costs_of, side_by_side
from experiments.from_data.schedules import differentiable
from experiments.run_folder import locked
from nas_space.network import Network
from nas_space.networks import DEFAULT, add_network_argument, find_network
from trials.data.dataset import check_name

EXPERIMENTS = ROOT / "experiments"
ENDINGS = ("global", "differentiable", "local", "final")
"""Of the YAML files' names, after the name of the data set."""


def experiment_files(name: str, folder: Path) -> list[Path]:
    """Paths of the YAML files of a data set in a folder, existing or not."""
    return [folder / f"{name}_{ending}.yml" for ending in ENDINGS]


def write_experiments(name: str, network: Network, paths: ExperimentPaths, data_root: Path | None = None) -> list[Path]:
    """Examine a data set and write its experiment files; existing files stay. Prints the findings to stderr.

    Args:
        data_root: folder of data sets; None: ``$G2L_DATA_ROOT``, else ``./data``.

    Returns:
        All YAML files, including those that existed.

    Raises:
        BadInput: ``trials.check_data`` refuses the data, or its name cannot be in experiment files.
    """
    look = look_at(name, data_root)
    print(f"{name}: {look.describe()}", file=sys.stderr)
    print(f"videos that stay together in validation: {look.group.describe()}", file=sys.stderr)
    # Imported here: bad data is refused before the seconds that PyTorch takes.
    import torch

    from experiments.from_data.timed_steps import time_steps

    concurrency = side_by_side(torch.cuda.is_available())
    batch_size = differentiable(len(look.search_train)).batch_size
    speeds = time_steps(network, look.dataset, look.search_train, batch_size, look.candidates, concurrency)
    costs = costs_of(look, speeds, concurrency)
    for file, text in texts(look, network, costs, paths).items():
        if not (paths.folder / file).exists():
            write_text(paths.folder / file, text)
    for ending, cost in zip(ENDINGS, (costs.genetic, costs.differentiable, costs.local, costs.final), strict=True):
        print(f"{ending + ':':<16}{cost.describe()}", file=sys.stderr)
    return experiment_files(name, paths.folder)


@contextmanager
def template_of(dataset: str, template: str | None, run: Path, dry: bool) -> Iterator[str]:
    """The template for ``make_plan``. A run that has written its own files keeps using them.

    Args:
        template: named by the user, if any.
        run: the folder of the run.
        dry: write nothing to it; the files are removed when the block ends.

    Raises:
        BadInput: the data is refused, or another pipeline is running in the folder.
    """
    own, committed = experiment_files(dataset, run), experiment_files(dataset, plan.FOLDER)
    if template is not None or (not own[-1].exists() and any(path.exists() for path in committed)):
        yield template or dataset
        return
    with TemporaryDirectory() if dry and not own[-1].exists() else nullcontext(run) as folder:
        folder = Path(folder)
        if not (folder / own[-1].name).exists():  # the last one to be written
            print(
                f"no experiments/{committed[0].name}: writing files for {dataset}, as 'g2l new' does", file=sys.stderr
            )
            with locked(folder):
                for path in write_experiments(dataset, find_network(DEFAULT), ExperimentPaths(folder, absolute=True)):
                    if not dry:
                        print(f"written: {path}", file=sys.stderr)
        yield str(folder / dataset)


def main() -> None:
    """Examine a data set and write its experiment files: two global searches, local search, final training."""
    parser = command_parser("experiments.new", main.__doc__, "mydata --data-root /data --output mydata_experiments")
    parser.add_argument("name", metavar="NAME", help="folder of the data set in the data root")
    parser.add_argument("--data-root", type=Path, help="folder of data sets (default: $G2L_DATA_ROOT, else ./data)")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder of the files, which then have absolute paths (default: experiments/ of the repository)",
    )
    add_network_argument(parser)
    arguments = parser.parse_args()
    check_name(arguments.name)
    if arguments.output is None:
        paths = ExperimentPaths(EXPERIMENTS, absolute=False)
    else:
        root = arguments.data_root or Path(os.environ.get("G2L_DATA_ROOT") or "data")
        paths = ExperimentPaths(arguments.output.resolve(), absolute=True, data_root=root.resolve())
    spaces = [paths.folder / "spaces" / f"{arguments.name}_{which}.json" for which in ("global", "local")]
    for path in (*experiment_files(arguments.name, paths.folder), *spaces):
        if path.exists():
            raise BadInput(f"{path}: exists and is not overwritten; remove it, or choose another --output")
    for path in write_experiments(arguments.name, arguments.network, paths, arguments.data_root):
        print(path)
    root = [] if arguments.data_root is None else ["--data-root", str(arguments.data_root)]
    step = ["launch", str(paths.folder / f"{arguments.name}_differentiable.yml")]
    if not paths.absolute:
        step = ["pipeline", "--dataset", arguments.name, *root]
    print(f"next: g2l {shlex.join(step)}", file=sys.stderr)


if __name__ == "__main__":
    run_command(main)
