"""What NNI's web page makes of our search spaces and results: its own scripts in a browser, without NNI's manager."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import nni_node
import pytest
from playwright.sync_api import Browser, Page, Route

from nas_space.networks import find_network
from nas_space.space import space_json
from nni_api.trial_report import CANDIDATES, TrialReport
from tools.screenshots import toggle
from trials.training.metrics import METRICS

NETWORK = find_network("ms-tcn:stages=2,layers=2")
SCRIPTS = Path(str(nni_node.__file__)).parent / "static"

AXES = """() => {
    const canvas = document.querySelector('.parcoords canvas.foreground');
    const right = canvas.width - 1;
    return [...document.querySelectorAll('.parcoords .dimension')].map(axis => {
        const x = Math.min(right, Math.round(axis.transform.baseVal[0].matrix.e));
        const column = canvas.getContext('2d').getImageData(x, 0, 1, canvas.height).data;
        const ticks = [...axis.querySelectorAll('.tick text')].map(tick => tick.textContent);
        return {name: axis.querySelector('.label').textContent, reached: column.some(value => value > 0), ticks};
    });
}"""


def job(uid: int, dilations: list[int], fitness: float, found: bool = False) -> dict[str, Any]:
    """A finished trial, as NNI's manager tells it; one that found its dilations has a seed and candidates."""
    structure = dict(zip(NETWORK.paths, dilations, strict=True))
    metrics = {name: fitness + place for place, name in enumerate(("default", *METRICS))}
    report = TrialReport(uid, f"trial{uid}", structure, metrics, [metrics], seconds=2.0 + uid)
    told = {"seed": uid, CANDIDATES: {label: [1, 2, 4, 8, 32, 128] for label in structure}} if found else structure
    parameters = {"parameter_id": uid, "parameters": {**told, "_uid": uid}}
    final = {"trialJobId": f"trial{uid}", "type": "FINAL", "data": json.dumps(json.dumps(report.to_nni(found)))}
    return {
        "trialJobId": f"trial{uid}",
        "sequenceId": uid,
        "status": "SUCCEEDED",
        "startTime": 1000,
        "endTime": 9000,
        "hyperParameters": [json.dumps(parameters)],
        "finalMetricData": [final],
    }


def open_page(browser: Browser, space: dict[str, Any], found: bool = False) -> Page:
    """The hyper-parameter view of an experiment of two trials."""
    jobs = [job(0, [1, 8, 32, 128], 40.0, found), job(1, [128, 1, 4, 2], 70.0, found)]
    params = {"searchSpace": space, "trainingService": {"platform": "local"}}
    answers = {
        "/experiment": {"id": "Ab3dE", "params": params, "startTime": 1000},
        "/experiment-metadata": {"id": "Ab3dE"},
        "/check-status": {"status": "DONE", "errors": []},
        "/trial-jobs": jobs,
        "/metric-data": [final for trial in jobs for final in trial["finalMetricData"]],
        "/version": "3.0",
        "/tensorboard-tasks": [],
    }

    def serve(route: Route) -> None:
        address = urlparse(route.request.url)
        path = address.path.removeprefix("/api/v1/nni")
        if address.hostname != "nni.test":
            route.abort()
        elif path in answers:
            route.fulfill(json=answers[path])
        else:
            file = SCRIPTS / path[1:]
            route.fulfill(path=file if file.is_file() else SCRIPTS / "index.html")

    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.route("**/*", serve)
    page.goto("http://nni.test/detail")
    page.get_by_role("tab", name="Hyper-parameter").click()
    page.locator(".parcoords .dimension").first.wait_for()
    return page


@pytest.mark.parametrize(
    ("candidates", "ticks"),
    [([1, 2, 4, 8, 32, 128], ["1", "2", "4", "8", "32", "128"]), (None, ["1", "10", "100", "1k"])],
)
def test_lines_reach_every_dilation_and_metric(
    browser: Browser, candidates: list[int] | None, ticks: list[str]
) -> None:
    wanted = [*NETWORK.paths, "_uid", "default", *METRICS]
    with open_page(browser, json.loads(space_json(NETWORK, candidates))) as page:
        axes = page.evaluate(AXES)
        assert [axis["name"] for axis in axes] == [*wanted, "_sec", "_trained"]
        assert [axis["name"] for axis in axes if axis["reached"]] == wanted
        assert [tick for tick in axes[0]["ticks"] if tick] == ticks

        toggle(page, "Add/Remove axes", ["_uid", "_trained"])
        wanted = [*NETWORK.paths, "default", *METRICS, "_sec"]
        assert [axis["name"] for axis in page.evaluate(AXES) if axis["reached"]] == wanted


def test_lines_reach_the_dilations_that_trials_found(browser: Browser) -> None:
    space = json.loads(space_json(NETWORK, [1, 2, 4, 8, 32, 128]))
    wanted = [*NETWORK.paths, "seed", CANDIDATES, "_uid", "default", *METRICS]
    with open_page(browser, space, found=True) as page:
        axes = page.evaluate(AXES)
    assert [axis["name"] for axis in axes] == [*wanted, "_sec", "_trained"]
    assert [axis["name"] for axis in axes if axis["reached"]] == wanted
