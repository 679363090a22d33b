"""Count the operators of a function, and name those that would wait for a GPU, on a machine without one.

PyTorch shows every operator to a ``TorchDispatchMode``; those of a backward pass, too, on the CPU and on the device
``meta``, where it runs in the calling thread. Tensors of ``meta`` have a shape and no values: nothing is computed. They
can stand for those of a GPU, because they are not on the CPU either: layers take the form that they have on a GPU, and
what goes from the CPU to the GPU or back is a copy between two devices. Where values decide, they are taken to be ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

aten = torch.ops.aten

COPIES = (aten._to_copy.default, aten.copy_.default)
INDEXED = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default)
MASKS = (torch.bool, torch.uint8)


class OperatorCounts(NamedTuple):
    """How many operators a function has called."""

    views: int
    """Those that only look at the same memory in another way (``view``, ``t``, ``select``, ``detach``, ...)."""
    others: int


class OperatorMode(TorchDispatchMode):
    """Records the operators that are called while it is active."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operators: Counter[Any] = Counter()
        self.synchronising: list[str] = []
        """Names of those that would wait for a GPU, in order; see ``synchronising_calls``."""

    def __torch_dispatch__(
        self, operator: Any, types: Sequence[type], arguments: tuple[Any, ...] = (), options: Any = None
    ) -> Any:
        """Called for every operator."""
        options = options or {}
        self.operators[operator] += 1
        reason = _why_it_waits(operator, arguments, options)
        if reason is None:
            return operator(*arguments, **options)
        self.synchronising.append(f"{operator}: {reason}")
        try:
            return operator(*arguments, **options)
        except (NotImplementedError, RuntimeError):
            if not any(isinstance(leaf, Tensor) and leaf.is_meta for leaf in tree_leaves(arguments)):
                raise
            return _with_ones(operator, arguments, options)


def count_operators(function: Callable[[], object]) -> OperatorCounts:
    """The operators of one call of a function."""
    with OperatorMode() as mode:
        function()
    views = sum(count for operator, count in mode.operators.items() if is_view(operator))
    return OperatorCounts(views, mode.operators.total() - views)


def is_view(operator: Any) -> bool:
    """Whether an operator computes and copies nothing, by its schema."""
    return operator.is_view or operator is aten._unsafe_view.default


def synchronising_calls(function: Callable[[], object]) -> list[str]:
    """The operators of one call of a function that would wait for a GPU, if its tensors were there; best none.

    Counted with tensors on the CPU and on ``meta``:

    * what reads a value: ``item()``, ``float()``, ``if tensor:`` (all ``_local_scalar_dense``), ``torch.equal``;
    * what has a shape that depends on values: ``nonzero``, ``masked_select``, ``unique``, ``repeat_interleave`` without
      ``output_size``, and indexing with a mask, also to assign, even where PyTorch would find a way without waiting.

    Counted with tensors on ``meta`` only, since on one device nothing is copied:

    * copies from one device to another, ``cpu()`` and ``tolist()`` included, unless they are ``non_blocking`` (whether
      the memory of these is pinned is not checked);
    * indices on another device than the tensor.

    Counted with tensors on the CPU only, since PyTorch does not show it on ``meta``:

    * new tensors of Python numbers or of NumPy arrays (``lift_fresh``), which would be copied to the GPU:
      ``torch.tensor([1, 2])``, ``tensor[[1, 2]]``, ``torch.from_numpy``, even if the copy would not be waited for.

    So a function has none if it has none on either. ``numpy()`` is never seen; it fails on a GPU and on ``meta``.
    """
    with OperatorMode() as mode:
        function()
    return mode.synchronising


def _why_it_waits(operator: Any, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> str | None:
    """None: it does not."""
    tensors = [leaf for leaf in tree_leaves(arguments) if isinstance(leaf, Tensor)]
    if operator is aten.lift_fresh.default:
        # Those of meta are Python numbers that are at their device already; on a CPU all of them come past here.
        return "a tensor of Python numbers or of NumPy's" if tensors[0].device.type == "cpu" else None
    if operator in COPIES:
        source, target = tensors[-1].device, options.get("device") or tensors[0].device
        waits = source != target and not (options.get("non_blocking") or arguments[2:] == (True,))
        return f"a copy from {source} to {target}" if waits else None
    if operator in INDEXED:
        indices = [leaf for leaf in arguments[1] if leaf is not None]
        if any(index.dtype in MASKS for index in indices):
            return "a mask as index"
        device = arguments[0].device
        return f"indices on {indices[0].device}" if any(index.device != device for index in indices) else None
    if operator is aten.repeat_interleave.Tensor and options.get("output_size") is not None:
        return None
    if torch.Tag.data_dependent_output in operator.tags:
        return "reads a value"
    return "a shape that depends on values" if torch.Tag.dynamic_output_shape in operator.tags else None


def _with_ones(operator: Any, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    """An operator that needs values, with ones on the CPU in place of tensors of ``meta``."""

    def with_values(leaf: Any) -> Any:
        return torch.ones_like(leaf, device="cpu") if isinstance(leaf, Tensor) and leaf.is_meta else leaf

    result = operator(*tree_map(with_values, arguments), **options)
    if operator in COPIES:
        return result
    return tree_map(lambda leaf: leaf.to("meta") if isinstance(leaf, Tensor) else leaf, result)
