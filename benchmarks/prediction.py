"""Prediction of one video by the paper's network, without gradients: in two buffers, against the form of the training.

And against onnxruntime on the exported network, on one thread, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from benchmarks.interleaved import CPU, Finding, benchmark_parser, interleaved_seconds, print_findings, ratios
from benchmarks.made_up_videos import CLASSES
from common.bad_input import run_command
from nas_space.layers.on_cpu.packed_conv import Offsets
from nas_space.layers.on_cpu.packed_residual import PlainResiduals
from nas_space.networks import build, find_network
from nas_space.structure import Structure
from trials.export_onnx import to_onnx
from trials.prediction.onnx_network import About, of_content
from trials.training.scoring import predict

FRAMES = (300, 2000, 6000)
CHANNELS = 64
"""Few, so that it is the layers that are timed, and not the first convolution over the features."""


def as_trained(
    frames: Tensor, offsets: Offsets, dilations: Sequence[int], present: int, parameters: Sequence[Tensor]
) -> Tensor:
    """The layers as a training computes them, with the arguments of ``infer_residuals``."""
    result: Tensor = PlainResiduals.apply(frames, offsets, dilations, present, None, *parameters)
    return result


def main() -> None:
    """Time predictions of one video against those in the form of the training, and by onnxruntime."""
    arguments = benchmark_parser("prediction", main.__doc__, rounds=10).parse_args()
    structure = Structure.hand(find_network("ms-tcn"))
    module = build(structure, CHANNELS, CLASSES).eval()
    about = About(CHANNELS, [f"class {index}" for index in range(CLASSES)], "", 1, [], None, {}, {}, {})
    exported = of_content(to_onnx(module, about), threads=1)
    findings = []
    for frames in FRAMES:
        features = np.random.default_rng(0).standard_normal((frames, CHANNELS), dtype=np.float32)

        def trained(features: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
            with patch("nas_space.layers.residual.infer_residuals", as_trained):
                predict(module, features, CPU)

        sides: dict[str, Callable[[], object]] = {
            "ours": partial(predict, module, features, CPU),
            "as trained": partial(trained, features),
            "onnxruntime": partial(exported.predict, features),
        }
        seconds = interleaved_seconds(sides, arguments.rounds)
        for other in ("as trained", "onnxruntime"):
            findings.append(Finding(f"{frames} frames: {other} / ours", ratios(seconds[other], seconds["ours"])))
        findings.append(Finding(f"{frames} frames: ours, ms", [1000 * each for each in seconds["ours"]]))
    print_findings(findings)


if __name__ == "__main__":
    torch.manual_seed(0)
    run_command(main)
