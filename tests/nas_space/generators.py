"""Random networks, structures and settings of branches, for laws that hold for all of them."""

from __future__ import annotations

from hypothesis import strategies as st

from nas_space.branching import Branching
from nas_space.network import Network
from nas_space.networks import causal_ms_tcn, ms_tcn, ms_tcn_pp
from nas_space.structure import Structure


def networks(channels: int = 64) -> st.SearchStrategy[Network]:
    """Networks of every kind, small in stages and layers."""
    size = {"layers": st.integers(1, 5), "channels": st.just(channels)}
    refinements = {"prediction": st.integers(1, 4), "refinements": st.integers(0, 3), "shared": st.integers(0, 1)}
    return st.one_of(
        st.builds(ms_tcn.describe, stages=st.integers(1, 4), **size),
        st.builds(causal_ms_tcn.describe, stages=st.integers(1, 4), **size),
        st.builds(ms_tcn_pp.describe, **refinements, **size),
    )


@st.composite
def structures(draw: st.DrawFn, channels: int = 64) -> Structure:
    network = draw(networks(channels))
    size = len(network.layers)
    dilations = draw(st.lists(st.integers(1, 2048), min_size=size, max_size=size))
    return Structure(tuple(dilations), network)


@st.composite
def branched_structures(draw: st.DrawFn, channels: int = 64, largest: int = 2048) -> Structure:
    """Structures that keep one to four branches in each layer, of equal or other shares."""
    network = draw(networks(channels))

    def branches() -> list[list[float]]:
        dilations = draw(st.lists(st.integers(1, largest), min_size=1, max_size=4, unique=True))
        weights = draw(st.lists(st.integers(1, 9), min_size=len(dilations), max_size=len(dilations)))
        return [[dilation, weight / sum(weights)] for dilation, weight in zip(dilations, weights, strict=True)]

    return Structure.from_labels({label: branches() for label in network.paths}, network)


@st.composite
def branchings(draw: st.DrawFn) -> Branching:
    minimum = draw(st.integers(1, 300))
    maximum = draw(st.integers(minimum + 1, 2048))
    return Branching(draw(st.integers(2, 9)), draw(st.floats(0, 0.99)), minimum, maximum)


@st.composite
def expansions(draw: st.DrawFn) -> tuple[Branching, int]:
    """Settings, and a dilation that they allow."""
    branching = draw(branchings())
    return branching, draw(st.integers(branching.minimum, branching.maximum))
