"""Fault drills: a small search, or final training, is struck by a fault, and compared with an undisturbed one."""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.bad_input import KnownFailure, run_command
from tests.drills import fault_drills, final_drills
from tests.drills.choice import chosen_drills
from tests.drills.drilled_search import DrilledSearch, Phase
from tests.drills.fault_drills import Drill
from tests.drills.nni_home import processes_of
from tests.drills.refused_drills import REFUSED

SURVIVED: tuple[Drill, ...] = (*fault_drills.SURVIVED, *final_drills.SURVIVED)
UNDISTURBED: dict[Phase, Drill] = {**fault_drills.UNDISTURBED, "final": final_drills.undisturbed_final}
DRILLS = {drill.__name__.replace("_", "-"): drill for drill in (*SURVIVED, *REFUSED)}


@dataclass(frozen=True)
class Row:
    """What came out of one drill."""

    drill: str
    before: int
    """Results that had been reported when the fault struck."""
    kept: int
    """How many of them are there in the end, unchanged."""
    best: str
    """Whether the best structure, or all final trainings, are those of the undisturbed run."""
    seconds: float | None
    """From the fault until all was done that was at work when it struck; of a refusal, until it was told."""
    said: tuple[str, ...]
    """The reasons that were told."""
    passed: bool


def judge(name: str, drill: Drill, search: DrilledSearch, undisturbed: DrilledSearch | None) -> Row:
    """Judge a drill whose search has ended.

    One that is to be survived passes if nothing that was reported is lost, the best structure is the same, and so are
    the numbers of all structures; one that is to be refused, if the reason was told.
    """
    history = search.history()
    reasons = dict.fromkeys(failure["reason"] for failure in history.failures)
    told = [line for line in search.said.splitlines() if line.startswith("error: ")]
    ended = [line for line in search.said.splitlines() if "left behind" in line]
    said = tuple(dict.fromkeys([*told, *ended, *search.notes, *reasons]))
    best = "no result"
    if undisturbed is not None and search.is_done():
        right = undisturbed.outcome()
        true = all(right.get(key) == value for key, value in search.outcome().items())
        same = search.best() == undisturbed.best()
        best = "other numbers" if not true else "same" if same else "another"
    passed = bool(told) if drill in REFUSED else best == "same"
    kept = search.kept()
    return Row(name, len(search.before), kept, best, search.seconds, said, passed and kept == len(search.before))


def table(rows: Sequence[Row]) -> str:
    """The rows, and below what was told."""
    text = f"{'drill':<28}{'reported':>9}{'kept':>6}{'best':>15}{'seconds':>9}\n"
    for row in rows:
        seconds = "" if row.seconds is None else f"{row.seconds:.1f}"
        failed = "" if row.passed else "  FAILED"
        text += f"{row.drill:<28}{row.before:>9}{row.kept:>6}{row.best:>15}{seconds:>9}{failed}\n"
    for row in rows:
        text += "".join(f"\n{row.drill}: {reason}" for reason in row.said)
    return text


def run_and_print(drills: Mapping[str, Drill], undisturbed: Mapping[Phase, Drill]) -> None:
    """Run drills, and print their table. Raises KnownFailure if one has failed."""
    with tempfile.TemporaryDirectory() as folder:
        rows = run(drills, Path(folder), undisturbed)
    print(table(rows))
    failed = [row.drill for row in rows if not row.passed]
    if failed:
        raise KnownFailure(f"failed: {', '.join(failed)}")


def run(drills: Mapping[str, Drill], folder: Path, undisturbed: Mapping[Phase, Drill]) -> list[Row]:
    """Run drills one after another, and the undisturbed searches to compare with."""
    right: dict[Phase, DrilledSearch] = {}
    rows = []
    for name, drill in drills.items():
        print(f"{name}: {drill.__doc__}", file=sys.stderr, flush=True)
        try:
            search = attempt(drill, folder / name)
            if drill not in REFUSED and search.phase not in right:
                right[search.phase] = attempt(undisturbed[search.phase], folder / search.phase)
            rows.append(judge(name, drill, search, right.get(search.phase)))
            if not rows[-1].passed:
                print(search.said, file=sys.stderr)
        except Exception as fault:
            traceback.print_exc()
            rows.append(Row(name, 0, 0, "no result", None, (repr(fault),), passed=False))
        print(table(rows[-1:]), file=sys.stderr, flush=True)
    return rows


def attempt(drill: Drill, folder: Path) -> DrilledSearch:
    """Run one drill; whatever goes wrong, no process of it lives on. Raises RuntimeError if one had to be ended."""
    left = []
    try:
        search = drill(folder)
    finally:
        left = processes_of(folder / "home")
        for process in left:
            process.kill()
    if left:
        raise RuntimeError(f"{len(left)} processes were left")
    return search


def main() -> None:
    """Run fault drills on small searches through NNI, print what was lost (nothing) and how long it took to recover."""
    run_and_print(chosen_drills("tests.drills.faults", main.__doc__, DRILLS, "one to two minutes"), UNDISTURBED)


if __name__ == "__main__":
    run_command(main)
