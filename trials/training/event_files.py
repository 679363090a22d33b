"""TensorBoard event files: the scalars of a training, epoch by epoch, with ``--tensorboard``."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from common.atomic_file import announce
from common.bad_input import BadInput
from trials.training.metrics import METRICS, objective_value

AddScalars = Callable[[int, Mapping[str, float]], None]
"""``add_scalars(epoch, {tag: value})``: epochs are counted from 1."""


def add_tensorboard_argument(parser: argparse.ArgumentParser, place: str) -> None:
    """Add the option ``--tensorboard``; ``place``: where the files go, for its help."""
    parser.add_argument("--tensorboard", action="store_true", help=f"write TensorBoard event files to {place}")


def event_folder(arguments: argparse.Namespace, folder: Callable[[], Path]) -> Path | None:
    """``folder()`` with ``--tensorboard``, else None. Raises BadInput if TensorBoard is not installed."""
    if not arguments.tensorboard:
        return None
    if find_spec("tensorboard") is None:
        raise BadInput("--tensorboard needs tensorboard: python -m pip install -r requirements.txt -c constraints.txt")
    return folder()


def scalar_writer(folder: Path | None) -> AddScalars:
    """Start an event file in ``folder``, and return the function that adds an epoch to it; it does nothing if None.

    The file begins by invalidating the content of earlier files in its folder: a training that restarts or resumes
    writes all epochs again, so that none is shown twice. Each epoch is on disk when the function returns.

    Raises:
        OSError: the folder or the file cannot be written; the error names it. The returned function raises it, too.
    """
    if folder is None:
        return lambda *_: None
    # Imported here, so that a trial without event files does not import tensorboard. PyTorch's SummaryWriter would
    # write in a thread, which prints a traceback if the disk is full, and its error does not name the file.
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    folder.mkdir(parents=True, exist_ok=True)
    # TensorBoard reads the files of a folder in order of their names: numbers, because clocks can be set back.
    path = folder / f"events.out.tfevents.{len(list(folder.glob('events.out.tfevents.*'))):06}"

    def append(mode: Literal["xb", "ab"] = "ab", **content: Any) -> None:
        try:
            with open(path, mode) as file:
                RecordWriter(file).write(Event(wall_time=time.time(), **content).SerializeToString())
            announce(path)
        except OSError as fault:
            raise OSError(fault.errno, fault.strerror, str(path)) from fault

    def add_scalars(epoch: int, scalars: Mapping[str, float]) -> None:
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
        append(step=epoch, summary=Summary(value=values))

    append("xb", file_version="brain.Event:2")
    append(session_log=SessionLog(status=SessionLog.START))
    return add_scalars


def scalars_of(row: dict[str, float], videos: str = "validation") -> dict[str, float]:
    """The loss, the learning rate and the metrics in ``row``, if present, by tag.

    Args:
        videos: those of the metrics, ``validation`` or ``test``.
    """
    scalars: dict[str, float] = {name: row[name] for name in ("loss", "learning_rate") if name in row}
    if all(name in row for name in METRICS):
        scalars |= {f"{videos}/{name}": objective_value(row, name) for name in (*METRICS, "mean")}
    return scalars
