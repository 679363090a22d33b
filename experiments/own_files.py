"""The experiment files of a run: those of ``experiments/``, else of the run's folder, written there where none are."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

from experiments import plan
from experiments.new import experiment_files, write_experiments
from experiments.new_texts import Places
from experiments.run_folder import held
from nas_space.networks import DEFAULT, find_network


@contextmanager
def template_of(dataset: str, template: str | None, run: Path, dry: bool) -> Iterator[str]:
    """What ``make_plan`` takes as template.

    A run that has written files of its own goes on by them.

    Args:
        template: which the user has named; None: none.
        run: the folder of the run.
        dry: leave nothing in it; the files are gone when the block ends.

    Raises:
        BadInput: the data is refused; or another pipeline is at work in the folder.
    """
    own, there = experiment_files(dataset, run), experiment_files(dataset, plan.FOLDER)
    if template is not None or (not own[-1].exists() and any(path.exists() for path in there)):
        yield template or dataset
        return
    with TemporaryDirectory() if dry and not own[-1].exists() else nullcontext(run) as folder:
        folder = Path(folder)
        if not (folder / own[-1].name).exists():  # the last that is written
            print(f"no experiments/{there[0].name}: writing files for {dataset}, as 'g2l new' does", file=sys.stderr)
            with held(folder):
                for path in write_experiments(dataset, find_network(DEFAULT), Places(folder, absolute=True)):
                    if not dry:
                        print(f"written: {path}", file=sys.stderr)
        yield str(folder / dataset)
