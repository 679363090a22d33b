"""What may be claimed of the default search, and by which margin: ``python -m studies.search_quality.bars``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from common.atomic_file import write_text
from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from studies.search_quality.final_results import FinalResult, scored_on
from studies.search_quality.pooled import Line, lines_of, read_by_network
from studies.search_quality.strategy_names import CUT, DIFFERENTIABLE, EIGHTH, EVEN, FEWER, HAND
from studies.search_quality.table import summarise
from trials.table import csv_text

ONE_SIDED_95 = 1.645
"""Standard errors of a normal distribution."""
FAR = ("hmr", "mozart")
"""Data sets where context matters."""

Differences = dict[str, list[float]]
"""By data set, one per split."""


@dataclass(frozen=True)
class Claim:
    """A claim, and the margin that the lower end of its difference must exceed."""

    text: str
    errors: float
    """Standard errors that are subtracted from the difference."""
    margin: float
    """What is left must be above this."""

    def holds(self, line: Line) -> bool | None:
        """Whether a difference is large enough; None where its standard error is unknown."""
        if self.errors and line.standard_error is None:
            return None
        return line.difference - self.errors * (line.standard_error or 0.0) > self.margin


CLAIMS = {
    "accuracy": Claim("more accuracy: differentiable - hand, by two standard errors", 2, 0.0),
    "context": Claim(f"as accurate with an eighth of the context: {EIGHTH} - hand, above -1.0", ONE_SIDED_95, -1.0),
    "scaling": Claim(f"better than scaling by hand: {EIGHTH} - the better of {CUT} and {EVEN}", 2, 0.0),
    "far": Claim(f"more accuracy where context matters: the first, on {' and '.join(FAR)}", 2, 0.0),
    "layers": Claim(f"as accurate with half of the multiply-adds: {FEWER} - hand, above -1.0", ONE_SIDED_95, -1.0),
    "choice": Claim("never worse by choice: the better of both on validation videos - hand, above -0.5", 0, -0.5),
}


def differences(finals: Sequence[FinalResult], strategy: str, baseline: str) -> Differences:
    """Of all data sets that have both."""
    rows = summarise(finals, [baseline])
    own = {row.dataset: row.differences[baseline] for row in rows if row.strategy == strategy}
    return {dataset: each for dataset, each in own.items() if each}


def all_differences(test: Sequence[FinalResult], validation: Sequence[FinalResult]) -> dict[str, Differences]:
    """The differences that each claim is about, as far as they were measured.

    Args:
        test: final trainings scored on the test videos.
        validation: those for the choice, scored on held-out training videos.
    """
    found = differences(test, DIFFERENTIABLE, HAND)
    chosen = differences(validation, DIFFERENTIABLE, HAND)
    cut, even = (differences(test, EIGHTH, pattern) for pattern in (CUT, EVEN))
    return {
        "accuracy": found,
        "context": differences(test, EIGHTH, HAND),
        "scaling": {dataset: min(cut[dataset], even[dataset], key=fmean) for dataset in cut if dataset in even},
        "far": {dataset: found[dataset] for dataset in FAR if dataset in found},
        "layers": differences(test, FEWER, HAND),
        "choice": {
            dataset: each if fmean(chosen[dataset]) > 0 else [0.0] * len(each)
            for dataset, each in found.items()
            if dataset in chosen
        },
    }


def closing_lines(by_claim: Mapping[str, Differences], network: str) -> list[tuple[str, Line]]:
    """For each claim a line per data set, and the pooled one where there are several."""
    return [(name, line) for name, of_claim in by_claim.items() for line in lines_of(network, name, of_claim)]


def closing_table(lines: Sequence[tuple[str, Line]]) -> str:
    """The lines as text, claim by claim."""
    text: list[str] = []
    for name, claim in CLAIMS.items():
        text += ["", claim.text]
        own = [line for each, line in lines if each == name]
        for line in own:
            error = "" if line.standard_error is None else f" ± {line.standard_error:.2f}"
            holds = {True: "holds", False: "does not hold", None: "one split: no standard error"}[claim.holds(line)]
            text.append(f"  {line.dataset:<20}{line.splits:>3} splits  {line.difference:+.2f}{error:<9}  {holds}")
        if not own:
            text.append("  not measured")
    return "\n".join(text[1:])


def read_finals(folders: Iterable[Path]) -> tuple[str, list[FinalResult], list[FinalResult]]:
    """The network of several comparisons, and their final trainings: those scored on test, and on validation videos.

    Raises:
        BadInput: as ``read_by_network``; or they are of different networks.
    """
    scored: dict[str, list[Path]] = defaultdict(list)
    for folder in folders:
        scored[scored_on(folder)].append(folder)
    test, validation = (read_by_network(scored[kind]) for kind in ("test", "validation"))
    networks = {**test, **validation}
    if len(networks) > 1:
        which = ", ".join(networks)
        raise BadInput(f"comparisons of different networks cannot be pooled ({which}); give those of one network")
    (network,) = networks
    return network, test.get(network, []), validation.get(network, [])


def main() -> None:
    """Print which claims the comparisons in these folders support, on each data set and pooled over all."""
    parser = command_parser(
        "studies.search_quality.bars", main.__doc__, "docs/search_quality runs/mozart runs/mozart_choice"
    )
    parser.add_argument("folders", nargs="+", type=Path, help="--output of studies.search_quality, or a copy of it")
    parser.add_argument("--output", type=Path, metavar="CSV", help="also write the lines to this file")
    arguments = parser.parse_args()
    network, test, validation = read_finals(arguments.folders)
    lines = closing_lines(all_differences(test, validation), network)
    if arguments.output is not None:
        write_text(arguments.output, csv_text([_row(name, line) for name, line in lines]))
    print(closing_table(lines))


def _row(name: str, line: Line) -> dict[str, Any]:
    holds = CLAIMS[name].holds(line)
    numbers = {"difference": line.difference, "standard_error": line.standard_error}
    return {"claim": name, "dataset": line.dataset, "splits": line.splits, **numbers, "holds": holds}


if __name__ == "__main__":
    run_command(main)
