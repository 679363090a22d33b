"""Random shapes and structures, for laws that hold for all of them."""

from __future__ import annotations

from hypothesis import strategies as st

from nas_space.shape import MSTCNShape
from nas_space.structure import Structure


def shapes() -> st.SearchStrategy[MSTCNShape]:
    return st.builds(MSTCNShape, st.integers(1, 4), st.integers(1, 5))


@st.composite
def structures(draw: st.DrawFn) -> Structure:
    shape = draw(shapes())
    size = len(shape.paths)
    dilations = draw(st.lists(st.integers(1, 2048), min_size=size, max_size=size))
    return Structure(tuple(dilations), shape)
