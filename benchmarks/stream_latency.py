"""How long a stream takes for a frame: a causal network of the paper's size, 2048 channels, 48 classes, numpy alone."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.interleaved import Finding, benchmark_parser, print_findings
from common.bad_input import run_command
from nas_space.networks import build, find_network
from nas_space.structure import Structure
from trials.export_stream import stream_layers
from trials.prediction.streaming import Stream, write_stream

CHANNELS, CLASSES = 2048, 48
WARM_UP, FRAMES = 100, 1500


def milliseconds(stream: Stream, frames: int) -> list[float]:
    """Of each of so many frames, one by one."""
    features = np.random.default_rng(0).standard_normal((frames, CHANNELS)).astype(np.float32)
    taken = []
    for frame in features:
        before = time.perf_counter()
        stream.step(frame)
        taken.append(1000 * (time.perf_counter() - before))
    return taken


def main() -> None:
    """Time the frames of a stream one by one. Set OMP_NUM_THREADS=1: products this small are slower on more threads."""
    arguments = benchmark_parser("stream_latency", main.__doc__, rounds=5).parse_args()
    torch.manual_seed(0)
    module = build(Structure.hand(find_network("causal-ms-tcn")), CHANNELS, CLASSES)
    about = {"classes": [str(index) for index in range(CLASSES)], "sample_rate": 1, "feature_dim": CHANNELS}
    with tempfile.TemporaryDirectory() as folder:
        write_stream(Path(folder) / "stream.npz", stream_layers(module), about)
        stream = Stream(Path(folder) / "stream.npz")
    milliseconds(stream, WARM_UP)
    rounds = [milliseconds(stream, FRAMES) for _ in range(arguments.rounds)]
    findings = [
        Finding("a frame, ms: median", [float(np.median(each)) for each in rounds]),
        Finding("a frame, ms: 99 of 100 are faster", [float(np.percentile(each, 99)) for each in rounds]),
        Finding("memory of the rings, MB", [stream.memory / 1e6] * arguments.rounds),
    ]
    print_findings(findings)


if __name__ == "__main__":
    run_command(main)
