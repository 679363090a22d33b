"""Record the work of a function on a GPU, and replay it in one launch (CUDA graphs)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch

WARM_UPS = 3
"""Calls before the one that is recorded, in which libraries set themselves up, as in PyTorch's own examples."""


class CudaGraphs:
    """Records of functions, of which one at a time is replayed: they share their memory.

    A record does the same operators on tensors at the same places, whatever else has changed. What a function computes
    must be copied to tensors that are there already: any new one is overwritten when another record is made.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        # Records share memory only if they are made on one stream.
        self._stream = torch.cuda.Stream(device)
        self._memory = torch.cuda.graph_pool_handle()

    def record(self, function: Callable[[], object]) -> Callable[[], object]:
        """A function that does again what this one does. It is called here, but its random numbers are not used up.

        While it warms up, it takes as much memory again as the largest record.
        """
        state = torch.cuda.get_rng_state(self.device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(self.device):
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                for _ in range(WARM_UPS):
                    function()
            torch.cuda.current_stream().wait_stream(self._stream)
            # Another thread prepares the next batch meanwhile: what it asks of the GPU must not end the record.
            with torch.cuda.graph(graph, self._memory, self._stream, capture_error_mode="thread_local"):
                function()
        torch.cuda.set_rng_state(state, self.device)
        return graph.replay


@cache
def graphs_on(device: torch.device) -> CudaGraphs:
    """Those of a device: all that this process records there shares one memory."""
    return CudaGraphs(device)
