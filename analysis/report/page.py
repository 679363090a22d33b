"""Write a report: its figures, and a self-contained HTML page."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from tqdm import tqdm

from analysis.final import COLUMNS
from analysis.report.answer import signed
from analysis.report.contents import MEASURED_FRAMES, Contents, collect
from analysis.report.network_cost import ROUNDS
from analysis.report.pictures import Pictures
from analysis.report.subject import Subject
from common.atomic_file import write_text
from common.bad_input import BadInput
from nas_space.network import Network
from trials.data.dataset import Dataset, find_dataset

FOLDER = Path(__file__).parent


def write_report(
    source: str, output: Path | None = None, data_root: Path | None = None, named: Network | None = None
) -> Path:
    """Write ``report.html`` and its figures; returns the page's path.

    Args:
        source: folder of a run, or the id of an experiment.
        output: a folder; None: ``report`` in the run's folder, or ``runs/report_ID``.
        named: see ``Checkpoint.structure``.

    Raises:
        BadInput: there is no such run or search, or its files or its data set are damaged.
    """
    subject = Subject.of(source, named)
    folder = output or (subject.folder / "report" if subject.folder else Path("runs") / f"report_{subject.name}")
    with tqdm(desc="report", unit="figure", disable=None) as progress:
        contents = collect(subject, _dataset(subject, data_root), Pictures(folder / "figures", progress.update))
    for line in contents.left_out:
        print(f"warning: left out: {line}", file=sys.stderr)
    path = folder / "report.html"
    write_text(path, page(contents))
    return path


def _dataset(subject: Subject, data_root: Path | None) -> Dataset | None:
    try:
        return find_dataset(subject.dataset, data_root, subject.sample_rate)
    except BadInput:
        if data_root is not None:
            raise
        return None


def page(contents: Contents) -> str:
    """The page of a report."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.jinja").render(
        it=contents,
        columns=COLUMNS,
        signed=signed,
        commands=commands(contents),
        measured_frames=MEASURED_FRAMES,
        rounds=ROUNDS,
        style=(FOLDER / "style.css").read_text(encoding="utf-8"),
    )


def commands(contents: Contents) -> list[str]:
    """The commands that repeat the run or search."""
    subject, settings = contents.subject, contents.subject.settings
    if not settings:
        return [
            "# the settings of the search, below, as experiments/again.yml:",
            "python -m experiments.launch experiments/again.yml",
            "python -m analysis.report ID",
        ]
    splits = [str(split) for split in settings["splits"]]
    words = ["python", "-m", "experiments.pipeline", "--dataset", settings["dataset"]]
    words += ["--split", "all" if len(splits) > 1 else splits[0]]
    words += ["--seeds", *map(str, settings["seeds"]), "--phases", ",".join(settings["phases"])]
    words += ["--template", settings["template"]]
    if settings["global_search"] != "global":  # earlier versions called the data set's default so
        words += ["--global-search", settings["global_search"]]
    words += ["--name", subject.name]
    return [shlex.join(words), shlex.join(["python", "-m", "analysis.report", f"runs/{subject.name}"])]
