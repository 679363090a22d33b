"""What a CUDA graph does, on a CPU: operators are recorded, and done again on the same tensors without any Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Tape(TorchDispatchMode):
    """The operators that are called while it is active, with what they were given and what they returned."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []

    def __torch_dispatch__(
        self, operator: Any, types: Sequence[type], arguments: tuple[Any, ...] = (), options: Any = None
    ) -> Any:
        result = operator(*arguments, **(options or {}))
        self.calls.append((operator, arguments, options or {}, result))
        return result

    @torch.no_grad()
    def replay(self) -> None:
        """Do all operators again; the tensors that they returned then get what they return now."""
        for operator, arguments, options, result in self.calls:
            again = operator(*arguments, **options)
            for before, now in zip(tree_leaves(result), tree_leaves(again), strict=True):
                if isinstance(before, Tensor) and before.data_ptr() != now.data_ptr():
                    before.copy_(now)


def recorded(function: Callable[[], object]) -> Callable[[], object]:
    """As ``CudaGraphs.record``, which needs a GPU: random numbers go on as if nothing had happened here."""
    state = torch.get_rng_state()
    with Tape() as tape:
        function()
    torch.set_rng_state(state)
    return tape.replay
