"""Write the report of a run, or of one search."""

from __future__ import annotations

from pathlib import Path

from analysis.report.page import write_report
from common.bad_input import run_command
from common.command_parser import command_parser
from nas_space.networks import add_named_network_argument


def main() -> None:
    """Write the report of a run of the pipeline, or of one search: report.html and its figures as PNG and SVG."""
    parser = command_parser("analysis.report", main.__doc__, "runs/50salads")
    parser.add_argument("source", metavar="RUN_OR_EXPERIMENT", help="a run's folder, or the id of an experiment")
    parser.add_argument("--output", type=Path, help="folder (default: RUN/report, or runs/report_ID)")
    parser.add_argument("--data-root", type=Path, help="folder of data sets (default: $G2L_DATA_ROOT, else ./data)")
    add_named_network_argument(parser)
    arguments = parser.parse_args()
    print(write_report(arguments.source, arguments.output, arguments.data_root, arguments.network))


if __name__ == "__main__":
    run_command(main)
