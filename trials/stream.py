"""Label frames while they come, with numpy alone: from standard input to label changes on standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from trials.prediction.stream_layers import Floats
from trials.prediction.streaming import Stream


def binary_frames(file: BinaryIO, channels: int) -> Iterator[Floats]:
    """Frames of float32 numbers in the machine's byte order. Raises BadInput where the last one is cut off."""
    size = 4 * channels
    for number in range(sys.maxsize):
        read = file.read(size)
        if not read:
            return
        if len(read) < size:
            raise BadInput(f"standard input: frame {number} ends after {len(read)} of {size} bytes")
        yield np.frombuffer(read, np.float32)


def text_frames(file: BinaryIO, channels: int) -> Iterator[Floats]:
    """Frames of one line of numbers each. Raises BadInput for a line of anything else."""
    for number, line in enumerate(file):
        try:
            frame = np.array(line.replace(b",", b" ").split(), np.float64)
        except ValueError:
            raise BadInput(f"standard input, line {number + 1}: not {channels} numbers") from None
        if len(frame) != channels:
            raise BadInput(f"standard input, line {number + 1}: {len(frame)} numbers, but a frame has {channels}")
        yield frame


def changes(stream: Stream, frames: Iterator[Floats]) -> Iterator[tuple[int, str, float]]:
    """Frame, label and probability wherever the label changes, as soon as it is known.

    Args:
        frames: of the video, of which the network reads every ``sample_rate``-th; the others are passed over.
    """
    labelled, last = 0, None

    def new(probabilities: Floats) -> Iterator[tuple[int, str, float]]:
        nonlocal labelled, last
        for of_frame in probabilities:
            label = int(of_frame.argmax())
            if label != last:
                yield labelled * stream.sample_rate, stream.classes[label], float(of_frame[label])
            labelled, last = labelled + 1, label

    for number, frame in enumerate(frames):
        if number % stream.sample_rate == 0:
            yield from new(stream.step(frame))
    yield from new(stream.finish())


def main() -> None:
    """Read frames from standard input, and print a line for each change of the label: frame, label, probability."""
    parser = command_parser("trials.stream", main.__doc__, "stream.npz < frames.raw")
    parser.add_argument("stream", type=Path, help="a file of trials.export_stream")
    parser.add_argument("--text", action="store_true", help="a line of numbers a frame (default: float32, packed)")
    parser.add_argument("--fps", type=float, help="frames per second of the video: show seconds in place of frames")
    arguments = parser.parse_args()
    if arguments.fps is not None and not arguments.fps > 0:
        raise BadInput(f"--fps must be above 0, not {arguments.fps}")
    stream = Stream(arguments.stream)
    if sys.stdin is None:
        raise BadInput("standard input is closed: frames are read from there")
    read = text_frames if arguments.text else binary_frames
    for frame, label, probability in changes(stream, read(sys.stdin.buffer, stream.channels)):
        place = str(frame) if arguments.fps is None else f"{frame / arguments.fps:.2f}"
        print(f"{place}\t{label}\t{probability:.3f}", flush=True)


if __name__ == "__main__":
    run_command(main)
