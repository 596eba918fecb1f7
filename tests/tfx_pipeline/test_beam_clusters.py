"""Ingest gives the same bytes whoever distributes it: the direct runner, a real Flink, a real Spark."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pytest

from components.classes import ClassTable, LandClass, encode_colors
from components.geo.bands import BandSet
from components.geo.patches import PatchOptions
from components.records.write_tile import IngestOptions
from components.tile_source import TileList, TileSource
from tests.make_raster import gradient, write_raster
from tests.tfx_pipeline.job_server_jar import NoJobServerError, job_server_jar
from tfx_pipeline.beam_runner import BeamOptions, beam_arguments

TABLE = ClassTable(classes=(LandClass(name="roof", color=(255, 0, 0)), LandClass(name="lawn", color=(0, 255, 0))))
INGEST = IngestOptions(
    table=TABLE, bands=BandSet.of_numbers((1, 2, 3), ("infrared", "red", "green")), patches=PatchOptions(size=16)
)
ROOT = Path(__file__).parents[2]

# What the step's process does: the examples of the tiles `argv[1]`, in `argv[3]`, with Beam's arguments `argv[4:]`.
INGEST_SCRIPT = """
import logging, sys
import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from tfx.types.standard_artifacts import Examples
from components.label_validation.component import LabelReport
from components.records.component import TileExampleGen

logging.basicConfig(level=logging.INFO, force=True)  # Beam hands the job server's own lines on
examples = Examples()
examples.uri = sys.argv[3]
TileExampleGen.test_call(
    examples=examples, label_report=LabelReport(), tiles=sys.argv[1], fingerprint="", options=sys.argv[2],
    beam_pipeline=beam.Pipeline(options=PipelineOptions(sys.argv[4:])),
)
print("splits for the next step:", examples.split_names)
"""
PUBLISHED = "splits for the next step:"

# Understands the job server's command line, and is Beam's own Python job service.
STAND_IN = """#!/bin/sh
echo "$@" > "{log}"
while [ "$1" != --job-port ]; do shift; done
exec "{python}" -m apache_beam.runners.portability.local_job_service_main -p "$2"
"""

# What the clusters say of themselves: the records were not made by something else in their place.
OWN_WORDS = {"flink": "Starting Flink Mini Cluster", "spark": "Running Spark version 3"}


class Run(NamedTuple):
    """How an ingest ended, what it logged, and its files: content by path within the examples."""

    code: int
    log: str
    files: dict[str, bytes]


def make_tiles(folder: Path) -> TileList:
    sources = []
    for i, split in enumerate(("train", "train", "eval")):
        ids = np.random.default_rng(i).integers(0, 2, (80, 64 + 16 * i), np.uint8)
        image = write_raster(folder / f"{i} image.tif", gradient(*ids.shape))
        label = write_raster(folder / f"{i} label.tif", encode_colors(ids, TABLE))
        sources.append(TileSource(tile=f"tile {i}", image=str(image), label=str(label), split=split))
    return TileList(tiles=tuple(sources))


def ingest(tiles: TileList, folder: Path, beam: BeamOptions, seconds: float = 300) -> Run:
    """Runs it in a process of its own; nothing that it started outlives it."""
    command = [sys.executable, "-c", INGEST_SCRIPT, tiles.model_dump_json(), INGEST.model_dump_json(), str(folder)]
    log = folder.with_suffix(".log")
    with log.open("w") as file:
        process = subprocess.Popen(
            [*command, *beam_arguments(beam)], cwd=ROOT, start_new_session=True, stdout=file, stderr=file
        )
    try:
        code = process.wait(seconds)
        deadline = time.monotonic() + 10  # what the run has just stopped may need a moment to be gone
        while group_lives(process.pid):
            assert time.monotonic() < deadline, "the job server or a worker outlived the run"
            time.sleep(0.1)
    except subprocess.TimeoutExpired:
        pytest.fail(f"not done after {seconds} s\n{log.read_text()[-8000:]}")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    return Run(code, log.read_text(), files)


def group_lives(group: int) -> bool:
    """Whether a process of the group runs; one that has ended and is not waited for yet (a zombie) does not."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of_group = stat.read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(of_group) == group and state not in "ZX":
            return True
    return False


def real_cluster(runner: Literal["flink", "spark"]) -> BeamOptions:
    """Two workers of the cluster's own local form, inside a job server that the run starts and stops."""
    try:
        jar = job_server_jar(runner)
    except NoJobServerError as error:
        pytest.skip(f"no job server for a real {runner}: {error}")
    heap = "--job_server_jvm_properties=-Xmx1g"
    return BeamOptions(runner=runner, workers=2, job_server_jar=str(jar), extra=(heap,))


@pytest.fixture(scope="module")
def by_direct_runner(tmp_path_factory: pytest.TempPathFactory) -> tuple[TileList, dict[str, bytes]]:
    """Three tiles, and what the direct runner makes of them: a record file each, and their counts."""
    folder = tmp_path_factory.mktemp("direct")
    tiles = make_tiles(folder / "tiles")
    direct = ingest(tiles, folder / "records", BeamOptions())
    assert direct.code == 0, direct.log[-8000:]
    assert [str(Path(name).parent) for name in direct.files] == ["Split-eval", "Split-train", "Split-train", "."]
    return tiles, direct.files


@pytest.mark.slow
def test_records_through_a_job_server_are_the_direct_runners(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_direct_runner: tuple[TileList, dict[str, bytes]]
) -> None:
    """The way to Flink, with Beam's own Python job service at its end: it is started, used by loopback, and stopped."""
    log, java, jar = tmp_path / "job server.txt", tmp_path / "bin" / "java", tmp_path / "flink.jar"
    java.parent.mkdir()
    java.write_text(STAND_IN.format(log=log, python=sys.executable))
    java.chmod(0o755)
    jar.touch()
    monkeypatch.setenv("PATH", f"{java.parent}{os.pathsep}{os.environ['PATH']}")
    tiles, direct = by_direct_runner
    through = ingest(tiles, tmp_path / "through", BeamOptions(runner="flink", workers=2, job_server_jar=str(jar)))
    assert through.code == 0, through.log[-8000:]
    assert f"ALL-UNNAMED {jar} --flink-master [auto]" in log.read_text()
    assert through.files == direct


@pytest.mark.slow
@pytest.mark.timeout(900)  # once, with the libraries still to be fetched
@pytest.mark.parametrize("runner", ["flink", "spark"])
def test_records_of_a_real_cluster_are_the_direct_runners(
    runner: Literal["flink", "spark"],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    by_direct_runner: tuple[TileList, dict[str, bytes]],
) -> None:
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    beam = real_cluster(runner)
    tiles, direct = by_direct_runner
    cluster = ingest(tiles, tmp_path / runner, beam)
    assert cluster.code == 0, cluster.log[-8000:]
    assert OWN_WORDS[runner] in cluster.log
    assert cluster.files == direct


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_tile_that_is_missing_on_a_real_flink_is_named_and_no_split_is_published(
    tmp_path: Path, by_direct_runner: tuple[TileList, dict[str, bytes]]
) -> None:
    beam = real_cluster("flink")
    tiles, direct = by_direct_runner
    gone = tiles.tiles[1].model_copy(update={"image": str(tmp_path / "gone.tif")})
    ended = ingest(TileList(tiles=(tiles.tiles[0], gone, tiles.tiles[2])), tmp_path / "flink", beam)
    assert ended.code == 1
    assert f"DataError: 1 tile(s) could not be read:\ntile tile 1: {gone.image} does not exist" in ended.log
    assert OWN_WORDS["flink"] in ended.log
    assert PUBLISHED not in ended.log
    records = {name: content for name, content in ended.files.items() if name.startswith("Split-")}
    assert records == {name: direct[name] for name in direct if "-tile_0-" in name or "-tile_2-" in name}
