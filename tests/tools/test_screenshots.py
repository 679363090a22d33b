"""The pictures of the demo, and what is said where there is no demo to take them of."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from common.atomic_file import write_json
from common.bad_input import BadInput
from tools import screenshots
from tools.screenshots import experiment_of, save


def test_searches_are_those_of_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screenshots, "DEMO", tmp_path)
    begun = {"global_split1": {"mark": "0123abcd"}, "local_split1": {"experiment": {"id": "Ab3dE"}}}
    contents: list[dict[str, object]] = [{}, {"steps": {}}, {"steps": begun}]
    for content in contents:
        with pytest.raises(BadInput, match=r"pipeline\.json: no global_split1; 'make demo' runs it"):
            experiment_of("global_split1")
        write_json(tmp_path / "pipeline.json", content)
    with pytest.raises(BadInput, match="no global_split1"):
        experiment_of("global_split1")
    assert experiment_of("local_split1") == "Ab3dE"


def test_pictures_keep_their_size_and_their_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screenshots, "FOLDER", tmp_path)
    picture = Image.new("RGB", (3, 2), "white")
    picture.putpixel((2, 1), (0, 120, 212))
    content = BytesIO()
    picture.save(content, "PNG")
    save(content.getvalue(), "blue.png")
    with Image.open(tmp_path / "blue.png") as saved:
        assert saved.convert("RGB").tobytes() == picture.tobytes()
