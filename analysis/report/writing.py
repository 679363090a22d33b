"""Write a report into a folder."""

from __future__ import annotations

import sys
from pathlib import Path

from tqdm import tqdm

from analysis.report.contents import collect
from analysis.report.page import page
from analysis.report.pictures import Pictures
from analysis.report.subject import Subject
from common.atomic_file import write_text
from common.bad_input import BadInput
from trials.data.dataset import Dataset, find_dataset


def write_report(source: str, output: Path | None = None, data_root: Path | None = None) -> Path:
    """Write ``report.html`` and its figures; returns the page's path.

    Args:
        source: folder of a run, or the id of an experiment.
        output: a folder; None: ``report`` in the run's folder, or ``runs/report_ID``.

    Raises:
        BadInput: there is no such run or search, a file of it is damaged, or its data set is.
    """
    subject = Subject.of(source)
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
