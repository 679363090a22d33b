"""The HTML page of a report: one file that asks for nothing else."""

from __future__ import annotations

import shlex
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from analysis.final import COLUMNS
from analysis.report.answer import signed
from analysis.report.contents import MEASURED_FRAMES, Contents
from analysis.report.network_cost import ROUNDS

FOLDER = Path(__file__).parent


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
    """What makes the same again."""
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
    if settings["global_search"] != "global":  # earlier versions called so what was the default of the data set
        words += ["--global-search", settings["global_search"]]
    words += ["--name", subject.name]
    return [shlex.join(words), shlex.join(["python", "-m", "analysis.report", f"runs/{subject.name}"])]
