"""Adam (Kingma and Ba, ICLR 2015, algorithm 1), in one operator for all parameters.

It gives the same numbers as ``torch.optim.Adam(fused=True)``, which imports PyTorch's compiler when it is first used:
that would cost every trial a second and 70 MB.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

BETAS = (0.9, 0.999)
EPSILON = 1e-8
KINDS = ("first", "second", "steps")


class Adam:
    """The optimizer. ``moments`` has, by name of a parameter, the first and the second moment of its gradients, with
    the memory layout of the parameter, and the number of steps.
    """

    def __init__(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> None:
        self.parameters = dict(parameters)
        self.moments = {
            name: {
                "first": torch.zeros_like(parameter),
                "second": torch.zeros_like(parameter),
                "steps": torch.zeros((), device=parameter.device),
            }
            for name, parameter in self.parameters.items()
        }

    def zero_grad(self) -> None:
        """Release all gradients."""
        for parameter in self.parameters.values():
            parameter.grad = None

    @torch.no_grad()
    def step(self, learning_rate: float, others: Mapping[str, float] | None = None) -> None:
        """Update all parameters that have a gradient; ``others``: different learning rates of some, by name."""
        gradients = {name: value.grad for name, value in self.parameters.items() if value.grad is not None}
        rates = {name: (others or {}).get(name, learning_rate) for name in gradients}
        for rate in dict.fromkeys(rates.values()):
            names = [name for name in rates if rates[name] == rate]
            first, second, steps = ([self.moments[name][kind] for name in names] for kind in KINDS)
            torch._foreach_add_(steps, 1)
            torch._fused_adam_(
                [self.parameters[name] for name in names],
                [gradients[name] for name in names],
                first,
                second,
                [],
                steps,
                lr=rate,
                beta1=BETAS[0],
                beta2=BETAS[1],
                weight_decay=0.0,
                eps=EPSILON,
                amsgrad=False,
                maximize=False,
            )

    def load(self, moments: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Load saved moments. Raises ValueError if they are of other parameters."""
        if moments.keys() != self.moments.keys():
            raise ValueError("moments of other parameters")
        for name, saved in moments.items():
            for kind in KINDS:
                own = self.moments[name][kind]
                if saved[kind].shape != own.shape:
                    raise ValueError(f"moments of {name} of another shape")
                own.copy_(saved[kind])
