"""The server under load while everything happens to it, and a scene whose client and server die: real programs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from benchmarks.load_story.askers import MODEL
from benchmarks.load_story.known_model import export_version, right_class_ids, scene
from benchmarks.load_story.story import LabelMove, Story, write_scene
from benchmarks.load_story.story_server import ALL, StoryServer, wait_until
from serving.map_part import JOURNAL, part_of

ROOT = Path(__file__).resolve().parents[2]
SECONDS = float(os.environ.get("EOSEG_LOAD_SECONDS", "20"))
"""How long the events take, besides the server's two starts; `eoseg bench load` takes 60."""
THREADS = 8
MEGABYTES = 64.0
"""What ten loads and unloads of versions may add to a server at work; one version of it takes 8 at the start."""
HEIGHT, WIDTH = 5000, 40


@pytest.mark.slow
def test_whatever_happens_to_the_server_no_answer_is_wrong_and_none_is_missing() -> None:
    command = [sys.executable, ROOT / "benchmarks" / "bench_load.py", "--seconds", str(SECONDS), "--server", "embedded"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=580, check=False)
    assert done.stdout, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    flaws = ("wrong_answers", "failed_requests", "wrong_scenes", "failed_scenes")
    assert {name: found[name] for name in flaws} == dict.fromkeys(flaws, 0), found["examples"]
    assert done.returncode == 0
    assert len(found["events"]) == 12
    # It was a load, it was by all versions, and it noticed what happened only as it should.
    assert found["requests"] > 500
    assert found["scenes"] > 2
    assert set(found["versions_answered"]) == {"1", "2", "3"}
    assert found["retries"]["UNAVAILABLE"] > 0
    assert found["retries"].keys() <= {"UNAVAILABLE", "CANCELLED", "NOT_FOUND"}
    assert found["retries"].get("NOT_FOUND", 0) == found["moved_on"]  # only who asked for a version that went
    warm, later = found["server"]["warm"], found["server"]["before_restart"]
    assert later["threads"] <= warm["threads"] + THREADS
    assert later["rss_mb"] <= warm["rss_mb"] + MEGABYTES


@pytest.mark.parametrize(
    ("began", "ended", "versions"),
    [
        (1, 2, {1}),
        (9, 11, {1, 2}),
        (11, 12, {1, 2}),
        (9, 21, {1, 2, 3}),
        (13, 14, {2}),
        (14, 21, {2, 3}),
        (30, 31, {3}),
    ],
)
def test_an_answer_by_a_label_that_stood_elsewhere_all_the_time_counts_as_wrong(
    began: float, ended: float, versions: set[int]
) -> None:
    story = Story(None, Path(), print)  # type: ignore[arg-type]
    story.moves = [LabelMove(0, 0, 1), LabelMove(10, 12.5, 2), LabelMove(20, 22, 3)]
    assert {v for v in (1, 2, 3) if not story.stale_label_answers([(began, ended, v)])} == versions


def finished_rows(map_path: Path) -> int:
    journal = part_of(map_path) / JOURNAL
    return int(json.loads(journal.read_text())["rows"]) if journal.exists() else 0


@pytest.mark.slow
def test_a_scene_outlives_its_client_and_its_server(tmp_path: Path) -> None:
    tile, class_map, settings = tmp_path / "tile.tif", tmp_path / "map.tif", tmp_path / "client.yaml"
    write_scene(tile, HEIGHT, WIDTH)
    settings.write_text("concurrency: 1\npatches_per_request: 1\nretry: {budget_seconds: 3}\n")

    def predict(server: StoryServer, *options: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "tfx_pipeline.cli.main", "predict", str(tile), str(class_map)]
        asked = ["--server", server.address, "--model-name", MODEL, "--client", str(settings)]
        pipe: Any = subprocess.PIPE
        return subprocess.Popen([*command, *asked, *options], stdout=pipe, stderr=pipe, text=True)

    with StoryServer(tmp_path, ALL, {}) as server:
        export_version(server.base / "1", 1)
        server.start()
        with predict(server) as killed:
            wait_until("a strip is finished", lambda: finished_rows(class_map) > 0)
            killed.kill()
        first_rows = finished_rows(class_map)
        assert 0 < first_rows < HEIGHT
        assert not class_map.exists()

        with predict(server, "--resume") as deserted:
            wait_until("another strip is finished", lambda: finished_rows(class_map) > first_rows)
            server.kill()
            _, error = deserted.communicate(timeout=120)
        assert deserted.returncode == 2
        window = re.search(r"rows (-?\d+) to (\d+), columns (-?\d+) to (\d+)", error)
        assert window is not None, error
        rows = finished_rows(class_map)
        assert first_rows < rows < HEIGHT
        assert int(window[2]) >= rows  # it names what is missing, not what is there
        assert "--resume" in error
        assert "Traceback" not in error

        export_version(tmp_path / "staging" / "2", 2).rename(server.base / "2")
        server.start()
        server.wait_for(v1="AVAILABLE", v2="AVAILABLE")
        with predict(server, "--resume") as last:
            output, error = last.communicate(timeout=300)
        assert last.returncode == 0, error
    # By the version that began it, although a newer one serves by now.
    assert f"{MODEL} version 1" in output
    assert f"{rows} rows of it before" in output
    assert not part_of(class_map).exists()
    with rasterio.open(class_map) as dataset:
        np.testing.assert_array_equal(dataset.read(1), right_class_ids(scene(HEIGHT, WIDTH), 1))
