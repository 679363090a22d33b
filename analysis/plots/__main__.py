"""Draw figures: a video's segments, structures, the progress of a search, the confusion between classes."""

from __future__ import annotations

from pathlib import Path

from analysis.plots import confusion, frontier, progress, structure, timeline
from analysis.plots.figure_file import check_ending, write_figure
from common.bad_input import run_command
from common.command_parser import CommandParser

FIGURES = {
    "timeline": (timeline, "--ground-truth data/gtea/groundTruth --predictions ours=predictions --video S1_Tea_C1"),
    "structure": (structure, "hand global.json local.json"),
    "progress": (progress, "3kd8xyzw"),
    "frontier": (frontier, "runs/gtea/context"),
    "confusion": (confusion, "--ground-truth data/gtea/groundTruth --predictions predictions"),
}
"""Each figure's module and the options of its example, by the name of its command."""


def main() -> None:
    """Draw a figure as PNG or SVG, by the ending of --output."""
    parser = CommandParser(prog="python -m analysis.plots", description=main.__doc__)
    commands = parser.add_subparsers(dest="figure", required=True, metavar="FIGURE")
    for name, (module, example) in FIGURES.items():
        about = module.__doc__ or ""
        command = commands.add_parser(
            name,
            help=about,
            description=about,
            epilog=f"example: python -m analysis.plots {name} {example} --output {name}.png",
        )
        module.add_arguments(command)
        command.add_argument("--output", type=Path, required=True, metavar="FILE", help="FILE.png or FILE.svg")
    arguments = parser.parse_args()
    check_ending(arguments.output)
    module, _ = FIGURES[arguments.figure]
    write_figure(module.figure_of(arguments), arguments.output)
    print(arguments.output)


if __name__ == "__main__":
    run_command(main)
