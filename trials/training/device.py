"""The device of a training: which, how exact its products are, and what to do when its memory is full."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from common.bad_input import BadInput, KnownFailure
from trials.training.settings import Precision, device_index


class OutOfMemory(KnownFailure):
    """The memory of the GPU is full."""


@contextmanager
def handle_out_of_memory() -> Iterator[None]:
    """Replace PyTorch's exception when the memory of a GPU is full by one line that says what to do.

    Raises:
        OutOfMemory: instead of ``torch.OutOfMemoryError``.
    """
    try:
        yield
    except torch.OutOfMemoryError as fault:
        # The rest are several lines about PyTorch's own bookkeeping.
        what = " ".join(str(fault).split(" Of the allocated memory")[0].split())
        raise OutOfMemory(
            "the GPU's memory is full; lower --batch-size, let fewer trials share a GPU (trialConcurrency), "
            f"or use --device cpu: {what}"
        ) from fault


def find_device(name: str) -> torch.device:
    """The device ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        BadInput: no such device here.
    """
    index = device_index(name)
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if index is not None and index >= torch.cuda.device_count():
        raise BadInput(f"device {name!r} is not there: PyTorch sees {torch.cuda.device_count()} CUDA device(s)")
    return torch.device(name)


def set_products(precision: Precision) -> None:
    """Let matrix products and convolutions on a GPU be what the precision says, in this process.

    PyTorch's own default is TF32 for convolutions, and not for products: what is a convolution here is a product there.
    """
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    # A gradient of a weight is a sum over all frames of a batch: its parts would be rounded to bfloat16.
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
