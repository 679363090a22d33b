"""The part of a report about one split: its searches, the structures found, and their receptive fields."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote

from analysis.plots.branch_probabilities import draw_branches
from analysis.plots.choices import draw_choices
from analysis.plots.population import draw_population
from analysis.plots.progress import SPENT, draw_progress
from analysis.plots.receptive_field import draw_receptive_fields
from analysis.plots.structure import draw_structures
from analysis.report.lessons import Lessons, lessons
from analysis.report.pictures import Picture, Pictures
from analysis.report.subject import Subject
from analysis.searches import SearchRecord
from nas_space.network import Network
from nas_space.receptive_field import ReceptiveField
from nas_space.structure import Structure
from nas_space.structure_files import structure_to_json


@dataclass(frozen=True)
class Download:
    """A structure file in the page."""

    structure: str
    name: str
    source: str
    """A data URI."""


@dataclass(frozen=True)
class ReceptiveFieldRow:
    """Receptive fields of a structure, in frames as the network reads them."""

    structure: str
    first_block: int
    network: int
    inside: float | None
    """Percent of the data's segments that are no longer than the first block's field; None: lengths unknown."""
    enough: bool | None
    """Whether the network's field covers the longest segment."""


@dataclass
class SplitSection:
    """The content of one split."""

    split: int
    answer: str
    """The structure that the page opens with: that of the last search."""
    dilations: str
    """Of that structure, block by block."""
    network: Network
    searches: list[dict[str, Any]] = field(default_factory=list)
    """Of each search: phase, experiment, cost, finished, best, error."""
    progress: list[Picture] = field(default_factory=list)
    more_progress: list[Picture] = field(default_factory=list)
    """The same against epochs and seconds."""
    learned: list[Picture] = field(default_factory=list)
    """Convergence of the population, and probabilities of the branches."""
    lessons: list[Lessons] = field(default_factory=list)
    """Of each search."""
    structures: list[Picture] = field(default_factory=list)
    fields: list[Picture] = field(default_factory=list)
    receptive_fields: list[ReceptiveFieldRow] = field(default_factory=list)
    downloads: list[Download] = field(default_factory=list)


def split_section(
    subject: Subject,
    split: int,
    structures: Mapping[str, Structure],
    lengths: Mapping[str, Sequence[int]],
    rate: float | None,
    pictures: Pictures,
) -> SplitSection:
    """Draw and count the content of a split.

    Args:
        structures: of the split, by name.
        lengths: frames of each segment, by class, as the network reads them; empty: unknown.
        rate: frames per second as the network reads them; None: unknown.
    """
    answer = next(name for name in ("local", "global", *structures) if name in structures)
    section = SplitSection(split, answer, str(structures[answer]), structures[answer].network)
    for phase in ("global", "local"):
        search = subject.searches.get((split, phase))
        if search is not None:
            _add_search(section, phase, search, pictures)
    names = ", ".join(structures)
    section.structures = pictures.draw(
        f"split{split}_structures",
        f"The dilation of every layer of {names}, block by block, and the receptive field of each block.",
        lambda: draw_structures(structures, rate),
    )
    section.receptive_fields = [_receptive_fields(name, structure, lengths) for name, structure in structures.items()]
    if lengths:
        section.fields = pictures.draw(
            f"split{split}_receptive_fields",
            f"Receptive fields of {names} after each layer, and segment lengths of each class.",
            lambda: draw_receptive_fields(structures, lengths, rate),
        )
    section.downloads = [
        _download(name, f"{subject.name}_split{split}_{name}.json", structure) for name, structure in structures.items()
    ]
    return section


def _add_search(section: SplitSection, phase: str, search: SearchRecord, pictures: Pictures) -> None:
    history, name = search.history, f"split {section.split}"
    section.searches.append(
        {
            "phase": phase,
            "experiment": search.experiment,
            "cost": search.cost(),
            "finished": history.done,
            "best": history.best()[0].metrics["default"],
            "error": search.error,
        }
    )
    stem = f"split{section.split}_{phase}"
    for against in SPENT:
        caption = f"The {phase} search of split {section.split}: every trial and the best so far, against {against}."
        drawn = pictures.draw(f"{stem}_{against}", caption, partial(draw_progress, name, history, against))
        (section.progress if against == "trials" else section.more_progress).extend(drawn)
    if any("generation" in evaluation.about for evaluation in history.evaluations):
        size = search.population_size
        caption = (
            f"Entropy of each layer's dilations in the best {size} structures during the search; 0 bits: one dilation."
        )
        section.learned += pictures.draw(f"{stem}_population", caption, lambda: draw_population(name, history, size))
    for chain in sorted({e.about["chain"] for e in history.evaluations if "chain" in e.about}):
        caption = f"Chain {chain}: dilations and learned branch probabilities of every iteration."
        figure = partial(draw_branches, name, history, chain)
        section.learned += pictures.draw(f"{stem}_chain{chain}_branches", caption, figure)
    for evaluation in history.evaluations:
        if evaluation.probabilities is not None and "chain" not in evaluation.about:
            seed = evaluation.about.get("seed")
            caption = f"Seed {seed}: learned probability of each candidate, and the resulting dilations."
            figure = partial(draw_choices, f"{name}, seed {seed}", evaluation, history.network, search.candidates)
            section.learned += pictures.draw(f"{stem}_seed{seed}_choices", caption, figure)
    section.lessons.append(lessons(phase, stem, name, search, pictures))


def _receptive_fields(name: str, structure: Structure, lengths: Mapping[str, Sequence[int]]) -> ReceptiveFieldRow:
    field = ReceptiveField.of(structure)
    every = [length for each in lengths.values() for length in each]
    first, network = field.blocks[0].frames, field.network.frames
    if not every:
        return ReceptiveFieldRow(name, first, network, None, None)
    inside = 100 * sum(length <= first for length in every) / len(every)
    return ReceptiveFieldRow(name, first, network, inside, network >= max(every))


def _download(structure_name: str, name: str, structure: Structure) -> Download:
    text = json.dumps(structure_to_json(structure), indent=2)
    return Download(structure_name, name, f"data:application/json,{quote(text)}")
