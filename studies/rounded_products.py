"""Matrix products on a CPU as a GPU's tensor cores compute them: of rounded factors, summed in float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
PRODUCTS = {
    aten.mm: 0,
    aten.mv: 0,
    aten.bmm: 0,
    aten.addmm: 1,
    aten.baddbmm: 1,
}
"""The position of the first of the two factors."""
OTHERS = (aten.addmm_, aten.addmv, aten.addbmm, aten.dot, aten.vdot, aten.convolution, aten.convolution_backward)
"""Sums of products that no training here consists of."""
TF32_DROPPED = 13
"""Bits of a float32's mantissa, the last of 23, that TF32 does not have."""


def to_tf32(values: Tensor) -> Tensor:
    """Float32 rounded to the nearest number with 10 bits of mantissa, away from zero if two are."""
    half, kept = 1 << (TF32_DROPPED - 1), -(1 << TF32_DROPPED)
    return ((values.view(torch.int32) + half) & kept).view(torch.float32)


def in_float32(values: Tensor) -> Tensor:
    """As they are: two numbers of bfloat16 have a product that float32 holds exactly."""
    return values.float()


class RoundedProducts(TorchDispatchMode):
    """Within it, the factors of each product of matrices are rounded, and the product is a sum in float32.

    The result has the type of the factors. Biases are added before that, and not rounded.
    """

    def __init__(self, rounded: Callable[[Tensor], Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._rounded = rounded

    def __torch_dispatch__(
        self, operator: Any, types: Sequence[type], arguments: tuple[Any, ...] = (), options: Any = None
    ) -> Any:
        """Called for every operator.

        Raises:
            NotImplementedError: one that would not be rounded.
        """
        options = dict(options or {})
        product = operator.overloadpacket
        if product in OTHERS:
            raise NotImplementedError(f"{operator} is not rounded")
        if product not in PRODUCTS:
            return operator(*arguments, **options)
        out = options.pop("out", None)
        first = PRODUCTS[product]
        summand, factors, others = arguments[:first], arguments[first : first + 2], arguments[first + 2 :]
        exact = product.default(*(each.float() for each in summand), *map(self._rounded, factors), *others, **options)
        result = exact.to(factors[0].dtype)
        return result if out is None else out.copy_(result)


class SoftmaxInFloat32(TorchFunctionMode):
    """The softmax between two stages as autocast has it on a GPU; on a CPU it leaves bfloat16 as it is.

    Autocast on a GPU has more operators in float32, of which the network of a final training has none.
    """

    def __torch_function__(
        self, function: Any, types: Sequence[type], arguments: tuple[Any, ...] = (), options: Any = None
    ) -> Any:
        """Called for every function of PyTorch."""
        if function is F.softmax:
            arguments = (arguments[0].float(), *arguments[1:])
        return function(*arguments, **(options or {}))
