"""The steps of a pipeline run, in order, and the YAML file that each is made from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from common.bad_input import BadInput
from experiments.config_file import read_config
from experiments.steps import Phase, PipelineStep, final_step, is_differentiable, search_step

DIFFERENTIABLE, GENETIC, PAPER = GLOBAL_SEARCHES = ("differentiable", "genetic", "paper")
FOLDER = Path(__file__).parent
MULTIPLE = "multiple"
"""Name of the structure that keeps the branches of the last iteration of a local search (rf-multiple)."""


def make_plan(
    run: Path,
    dataset: str,
    template: str,
    splits: Sequence[int],
    phases: Sequence[Phase],
    seeds: Sequence[int],
    global_search: str = DIFFERENTIABLE,
    started: Collection[str] = (),
    multiple: bool = False,
) -> list[PipelineStep]:
    """The steps of a run, in order: for each split global, then local search; then the trainings of all that is found.

    Those of the choice, each with the first seed, are scored on videos held out of the training splits.

    Args:
        run: the folder of the run.
        template: prefix of the YAML files: ``experiments/TEMPLATE_local.yml`` ..., or an absolute path.
        seeds: of the final trainings.
        global_search: see ``search_file``.
        started: names of steps that have started. They, and the same phase of other splits, use the YAML files in the
            run's folder.
        multiple: whether what the local search trained last also takes part, with its branches (``MULTIPLE``).

    Raises:
        BadInput: a YAML file is missing or damaged, or there is nothing to choose from.
    """
    searching = search_file(template, global_search) if "global" in phases else ""

    def file_of(step: str, file: str) -> tuple[Path, str]:
        phase = step.partition("_")[0]
        for name in (step, *(f"{phase}_split{split}" for split in splits)):
            if name in started and (own := run / f"{name}.yml").exists():
                return own, str(own)
        return FOLDER / file, source_of(file)

    steps = []
    for split in splits:
        folder = run / f"split{split}"
        if "global" in phases:
            file = file_of(f"global_split{split}", searching)
            if not file[0].exists():
                raise BadInput(_missing(searching, searching.removeprefix(template)))
            steps.append(search_step("global", *file, dataset, split, folder))
        if "local" in phases:
            file = file_of(f"local_split{split}", f"{template}_local.yml")
            steps.append(search_step("local", *file, dataset, split, folder))
    found: list[str] = [phase for phase in phases if phase in ("global", "local")]
    if multiple and "local" not in found:
        raise BadInput("--multiple: its branches are those of a local search: add local to --phases")
    found += [MULTIPLE] if multiple else []
    if "choice" in phases and not found:
        raise BadInput("--phases: a choice is between hand and what a search finds: add global or local")
    if "choice" in phases:
        file, search = file_of("choice", f"{template}_final.yml"), steps[0].config["trialCommand"]
        steps.append(final_step(*file, dataset, splits, found, seeds[:1], run, search))
    if "final" in phases:
        file = file_of("final", f"{template}_final.yml")
        steps.append(final_step(*file, dataset, splits, found, seeds, run))
    return steps


def search_file(template: str, global_search: str) -> str:
    """The YAML file of a global search, existing or not: TEMPLATE_global.yml for ``genetic``, else TEMPLATE_SEARCH.yml.

    In copies of earlier versions' files, TEMPLATE_global.yml may be the differentiable search, and TEMPLATE_genetic.yml
    the genetic one.
    """
    usual, file = (f"{template}_{ending}.yml" for ending in ("global", global_search))
    if (FOLDER / file).exists() or global_search not in (DIFFERENTIABLE, GENETIC):
        return file
    return usual if search_kind(FOLDER / usual) == global_search else file


def default_search(template: str) -> str:
    """The differentiable search, which the comparison favours; the genetic one where only that has a YAML file."""
    there = [search for search in (DIFFERENTIABLE, GENETIC) if (FOLDER / search_file(template, search)).exists()]
    return there[0] if there else DIFFERENTIABLE


def search_kind(file: Path) -> str:
    """The global search of a YAML file, by its tuner; ``genetic`` if there is no file."""
    return DIFFERENTIABLE if file.exists() and is_differentiable(read_config(file)) else GENETIC


def search_of_run(run: Path) -> str | None:
    """The global search of a run, by its tuner (earlier versions called each ``global``); None before its start."""
    files = sorted(run.glob("global_split*.yml"))
    return search_kind(files[0]) if files else None


def _missing(file: str, ending: str) -> str:
    """What to do about a missing YAML file."""
    known = ", ".join(sorted(path.name.removesuffix(ending) for path in FOLDER.glob(f"*{ending}")))
    wanted = f"no {source_of(file)}: copy one for your data"
    return f"{wanted}, or give --template ({known})" if known else f"{wanted}, or leave out --global-search"


def source_of(file: str) -> str:
    """The name of a YAML file in messages."""
    return file if Path(file).is_absolute() else f"experiments/{file}"
