"""The tables that ``benchmarks.gpu`` prints of what it has measured."""

from __future__ import annotations

import math
from collections.abc import Mapping

from benchmarks.breakfast_searches import default_search, genetic_search
from benchmarks.gpu.precisions import PRECISIONS
from benchmarks.gpu.rounds import Measured
from benchmarks.gpu.start import FEATURES
from benchmarks.gpu.step import FORMS, REPLAYED, Seconds, Side, Size, forms_of
from benchmarks.search_networks import AT_ONCE, NETWORKS

Peaks = Mapping[str, tuple[float, float]]
"""By precision: floating-point operations and bytes a second."""


def print_epochs(measured: Mapping[Side, Measured], seconds: Seconds, scale: float, predicted: float) -> None:
    """Seconds of an epoch, and of a prediction, and the memory that they need.

    Args:
        scale: videos of an epoch over those that were trained on.
        predicted: how many videos of mean length were predicted.
    """
    rounds = len(next(iter(measured.values())).seconds)
    print(f"\nSeconds an epoch: those of the videos above times {scale:.4g}, an extrapolation. Rounds: {rounds}.")
    print("MB: the most allocated on the GPU, without what was there before: parameters, features on the device.")
    print("replayed: after, recorded once (a CUDA graph); the memory of the record, which stays, is not shown.")
    print_row("", "before", "after", "replayed", "before/after", "after/replayed", "MB before", "MB after")
    for before in seconds:
        if before.form == "before":
            after, replayed = (before._replace(form=form) for form in ("after", REPLAYED))
            per = scale if before.work == "step" else 1000 / predicted
            values = [seconds[side] * per if side in seconds else None for side in (before, after, replayed)]
            ratios = [
                seconds[one] / seconds[other] if other in seconds else None
                for one, other in ((before, after), (after, replayed))
            ]
            print_row(_label(before), *values, *ratios, *(_megabytes(measured[side]) for side in (before, after)))
    print("A prediction: milliseconds a video, to class probabilities on the CPU.")
    for network, what in NETWORKS.items():
        print(f"{network}: {what}")
    for precision in dict.fromkeys(side.precision for side in seconds):
        print(f"{precision}: {PRECISIONS[precision]}")


def print_at_once(seconds: Seconds, scale: float) -> None:
    """Seconds of an epoch of each of several structures that are trained at once; ``scale`` as in ``print_epochs``."""
    print("\nSeconds an epoch of each structure, if several are trained at once; features on the device, default:")
    print_row("", "after", "replayed", "alone/each", "replayed")
    forms = ("after", REPLAYED)
    alone = [seconds[Side("step", "plain", form, "device")] for form in forms]
    for network, count in {"plain": 1, **AT_ONCE}.items():
        sides = [Side("step", network, form, "device") for form in forms]
        if all(side in seconds for side in sides):
            each = [seconds[side] / count for side in sides]
            print_row(network, *(one * scale for one in each), *(one / of for one, of in zip(alone, each, strict=True)))


def _label(side: Side) -> str:
    work = "" if side.work == "step" else " prediction, ms"
    place = "in host memory" if side.place == "host" else "on the device"
    return f"{side.network}{work}, features {place}, {side.precision}"


def _megabytes(measured: Measured) -> float | None:
    return None if measured.peak_bytes is None else measured.peak_bytes / 1e6


def print_shares(seconds: Seconds, peaks: Peaks, operations: int, moved: Mapping[str, int]) -> None:
    """How much of what the device can do the training steps of the plain network take.

    Args:
        operations: floating-point operations of these steps.
        moved: bytes that they read and write, by precision.
    """
    print("\nShare of the peak: training steps of the plain network, features on the device.")
    print("Peak: the fastest of some large matrix products, and of some large copies (read and written), just now.")
    forms = (*FORMS, REPLAYED)
    print_row("", "peak", *forms, *(f"% {form}" for form in forms))
    for precision, (products, copied) in peaks.items():
        sides = [Side("step", "plain", form, "device", precision) for form in forms]
        for unit, scale, work, peak in (
            ("TFLOP/s", 1e12, operations, products),
            ("GB/s", 1e9, moved[precision], copied),
        ):
            values = [work / seconds[side] for side in sides]
            shares = [100 * value / peak for value in values]
            print_row(f"{precision}, {unit}", peak / scale, *(value / scale for value in values), *shares)
    print("FLOP: two for each multiply-add of the network. B: if each operator of a layer reads and writes once.")


def print_logits(differences: Mapping[tuple[str, str], float]) -> None:
    """The largest relative difference of the logits, by form and precision; none on a CPU."""
    print("\nLogits of the plain network: largest difference from float32 throughout, over the largest value.")
    for (form, precision), difference in differences.items():
        print_row(f"{form}, {precision}", difference)
    if not differences:
        print("not measured: on a CPU there is one precision")


def print_start(stages: Mapping[str, float], size: Size, starts: int) -> None:
    """How long a trial takes to its first step."""
    print(f"\nStart of a trial, seconds, in a process of its own (median of {starts}):")
    for stage, seconds in stages.items():
        print_row(stage, seconds)
    gigabytes = size.videos * size.frames * size.feature_dim * 4 / 1e9
    print(f"All {size.videos} videos ({gigabytes:.3g} GB) at the rate of a batch: {_all_features(stages, size):.3g} s.")


def _all_features(stages: Mapping[str, float], size: Size) -> float:
    return stages[FEATURES] * size.videos / size.batch_size


def print_searches(seconds: Seconds, trained: int, predicted: float, stages: Mapping[str, float], size: Size) -> None:
    """What the searches of ``experiments/breakfast_*.yml`` would take.

    Args:
        trained, predicted: how many videos, of mean length, the seconds of steps and of predictions are of.
        stages: of the start of a trial, as ``start_stages`` returns them.
    """
    start = sum(stages.values()) - stages[FEATURES]
    default = default_search()
    workloads = [genetic_search("paper"), genetic_search("global"), *default]

    def hours(form: str, place: str, of_start: float) -> list[float]:
        of_one = {
            f"{side.network} {side.work}": value * (size.batch_size / trained if side.work == "step" else 1 / predicted)
            for side, value in seconds.items()
            if (side.place, side.precision) == (place, "default")
            and side.form == (form if form in forms_of(side.work) else "after")
        }
        return [each.hours(of_one, size.videos, size.batch_size, of_start) for each in workloads]

    columns = {
        "before": hours("before", "host", start),
        "after": hours("after", "host", start),
        "on the device": hours("after", "device", start + _all_features(stages, size)),
        "replayed": hours(REPLAYED, "device", start + _all_features(stages, size)),
    }
    print("\nHours of searches, an EXTRAPOLATION from the above: trials and epochs as in experiments/breakfast_*.yml;")
    print(
        "each trial starts, and each epoch of a search evaluates a quarter of the videos; what NNI takes is left out."
    )
    print_row("", *columns)
    for index, each in enumerate(workloads):
        print_row(f"{each.what}: {each.trials} x {each.epochs} epochs", *(column[index] for column in columns.values()))
    print_row("the default search: the last three", *(sum(column[-len(default) :]) for column in columns.values()))
    print("on the device: after, all features brought to the device at the start of each trial; else from host memory.")
    print("replayed: on the device, and steps are replayed; the time of recording them is left out.")


def print_row(what: str, *cells: str | float | None) -> None:
    """A row of a table."""
    print(f"{what:<60}" + "".join(f"{_text(cell):>15}" for cell in cells), flush=True)


def _text(cell: str | float | None) -> str:
    """None is what there is not, and NaN what follows from something that failed."""
    if cell is None:
        return "-"
    if not isinstance(cell, float):
        return str(cell)
    return "failed" if math.isnan(cell) else f"{cell:.4g}"
