"""Which arguments Beam gets; and the same tiles give the same bytes whoever distributes them, Flink and Spark too."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from components.classes import ClassTable, LandClass, encode_colors
from components.errors import ConfigError
from components.geo.bands import BandSet
from components.geo.patches import PatchOptions
from components.records.write_tile import IngestOptions
from components.tile_source import TileList, TileSource
from tests.make_raster import gradient, write_raster
from tfx_pipeline.beam_runner import BeamOptions, beam_arguments, find_jar

TABLE = ClassTable(classes=(LandClass(name="roof", color=(255, 0, 0)), LandClass(name="lawn", color=(0, 255, 0))))
INGEST = IngestOptions(
    table=TABLE, bands=BandSet.of_numbers((1, 2, 3), ("infrared", "red", "green")), patches=PatchOptions(size=16)
)
ROOT = Path(__file__).parents[2]
ON_DATAFLOW = ("--project=p", "--region=r", "--temp_location=gs://b/t", "--sdk_container_image=i")

# What a user's process does: the records of the tiles in `argv[1]`, below `argv[3]`, with Beam's arguments `argv[4:]`.
INGEST_SCRIPT = """
import sys
import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from components.records.transforms import WriteRecords
from components.records.write_tile import IngestOptions
from components.tile_source import TileList

tiles, ingest = TileList.model_validate_json(sys.argv[1]), IngestOptions.model_validate_json(sys.argv[2])
with beam.Pipeline(options=PipelineOptions(sys.argv[4:])) as pipeline:
    _ = pipeline | beam.Create(tiles.tiles) | WriteRecords(ingest, sys.argv[3])
"""

# Understands the job server's command line, and is Beam's own Python job service.
STAND_IN = """#!/bin/sh
echo "$@" > "{log}"
while [ "$1" != --job-port ]; do shift; done
exec "{python}" -m apache_beam.runners.portability.local_job_service_main -p "$2"
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory without job servers, and a java on the PATH."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("FLINK", "SPARK"):
        monkeypatch.delenv(f"EOSEG_{name}_JOB_SERVER_JAR", raising=False)
    write_program(tmp_path / "bin" / "java", "#!/bin/sh\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def write_program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def write_jar(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return str(path)


def test_the_direct_runner_is_the_default_and_needs_nothing() -> None:
    assert beam_arguments(BeamOptions()) == [
        "--runner=DirectRunner", "--direct_running_mode=in_memory", "--direct_num_workers=1",
    ]  # fmt: skip
    assert beam_arguments(BeamOptions(workers=3, extra=("--save_main_session",))) == [
        "--runner=DirectRunner", "--direct_running_mode=multi_threading", "--direct_num_workers=3",
        "--save_main_session",
    ]  # fmt: skip


def test_flink_without_a_master_is_a_cluster_of_its_own(home: Path) -> None:
    jar = write_jar(home / "flink.jar")
    arguments = beam_arguments(BeamOptions(runner="flink", job_server_jar=jar))
    assert [word for word in arguments if "jvm_properties" not in word] == [
        "--runner=FlinkRunner", "--flink_master=[auto]", "--parallelism=1", f"--flink_job_server_jar={jar}",
        "--environment_type=LOOPBACK",
    ]  # fmt: skip
    assert "--job_server_jvm_properties=--add-opens=java.base/sun.nio.ch=ALL-UNNAMED" in arguments


def test_a_cluster_gets_its_master_and_its_environment(home: Path) -> None:
    jar = write_jar(home / "flink.jar")
    arguments = beam_arguments(
        BeamOptions(
            runner="flink", master="jobs:8081", workers=8, job_server_jar=jar, environment="external",
            environment_config="localhost:50000",
        )
    )  # fmt: skip
    assert {"--flink_master=jobs:8081", "--parallelism=8"} <= set(arguments)
    assert arguments[-2:] == ["--environment_type=EXTERNAL", "--environment_config=localhost:50000"]
    docker = BeamOptions(runner="spark", job_endpoint="jobs:8099", environment="docker", environment_config="eoseg:1")
    assert beam_arguments(docker)[-3:] == [
        "--environment_type=DOCKER", "--environment_config=eoseg:1", "--sdk_container_image=eoseg:1",
    ]  # fmt: skip


def test_spark_and_workers_of_a_local_cluster(home: Path) -> None:
    jar = write_jar(home / "spark.jar")
    local = beam_arguments(BeamOptions(runner="spark", workers=4, job_server_jar=jar))
    assert {"--spark_master_url=local[4]", f"--spark_job_server_jar={jar}"} <= set(local)
    cluster = beam_arguments(BeamOptions(runner="spark", master="spark://jobs:7077", workers=4, job_server_jar=jar))
    assert "--spark_master_url=spark://jobs:7077" in cluster


def test_a_running_job_server_needs_neither_jar_nor_java(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    arguments = beam_arguments(BeamOptions(runner="flink", job_endpoint="localhost:8099"))
    assert "--job_endpoint=localhost:8099" in arguments
    assert not any("jar" in word for word in arguments)


def test_dataflow_is_told_by_extra() -> None:
    arguments = beam_arguments(BeamOptions(runner="dataflow", workers=9, extra=ON_DATAFLOW))
    assert arguments == ["--runner=DataflowRunner", "--max_num_workers=9", *ON_DATAFLOW]


def test_the_jar_is_the_option_else_the_variable_else_mavens(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beam = metadata.version("apache-beam")
    name = "beam-runners-flink-1.19-job-server"
    maven = write_jar(home / f".m2/repository/org/apache/beam/{name}/{beam}/{name}-{beam}.jar")
    assert str(find_jar(BeamOptions(runner="flink", flink_version="1.19"))) == maven
    monkeypatch.setenv("EOSEG_FLINK_JOB_SERVER_JAR", write_jar(home / "variable.jar"))
    assert find_jar(BeamOptions(runner="flink")) == home / "variable.jar"
    option = write_jar(home / "option.jar")
    assert find_jar(BeamOptions(runner="flink", job_server_jar=option)) == home / "option.jar"


def test_a_missing_jar_is_one_message_with_the_command_that_fetches_it(home: Path) -> None:
    beam = metadata.version("apache-beam")
    for options, artifact in (
        (BeamOptions(runner="flink"), f"org.apache.beam:beam-runners-flink-1.20-job-server:{beam}"),
        (BeamOptions(runner="spark"), f"org.apache.beam:beam-runners-spark-3-job-server:{beam}"),
    ):
        with pytest.raises(ConfigError, match=f"EOSEG_{options.runner.upper()}_JOB_SERVER_JAR") as caught:
            beam_arguments(options)
        assert caught.value.remedy == f"mvn dependency:get -Dtransitive=false -Dartifact={artifact}"


def test_a_jar_that_is_named_and_not_there_is_never_passed_over(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"beam\.job_server_jar names gone\.jar, which is not there"):
        find_jar(BeamOptions(runner="flink", job_server_jar="gone.jar"))
    monkeypatch.setenv("EOSEG_SPARK_JOB_SERVER_JAR", "gone.jar")
    with pytest.raises(ConfigError, match="the variable EOSEG_SPARK_JOB_SERVER_JAR names gone"):
        find_jar(BeamOptions(runner="spark"))


def test_a_missing_java_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jar = write_jar(home / "flink.jar")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match="no java on the PATH"):
        beam_arguments(BeamOptions(runner="flink", job_server_jar=jar))
    uber = BeamOptions(runner="flink", job_server_jar=jar, master="jobs:8081", extra=("--flink_submit_uber_jar",))
    assert f"--flink_job_server_jar={jar}" in beam_arguments(uber)  # the cluster runs it, not this machine


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"runner": "storm"}, "direct"),
        ({"workers": 0}, "greater than or equal to 1"),
        ({"master": "jobs:8081"}, "master is for the runners flink and spark, the runner is direct"),
        ({"environment": "docker"}, "environment is for the runners flink and spark"),
        ({"runner": "flink", "environment": "docker"}, "docker needs an environment_config"),
        ({"runner": "flink", "environment_config": "image"}, "loopback takes no environment_config"),
        ({"runner": "flink", "job_endpoint": "a:1", "master": "b:2"}, "job_endpoint and master"),
        ({"runner": "flink", "job_endpoint": "http://a"}, "job_endpoint"),
        ({"runner": "dataflow"}, "needs --project=... in extra"),
        ({"extra": ("project=p",)}, "'project=p' is no argument of Beam; write --key=value"),
        ({"extra": ("--parallelism=2",)}, r"write the option beam\.workers instead"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(values: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        BeamOptions(**values)


def make_tiles(folder: Path) -> TileList:
    sources = []
    for i, split in enumerate(("train", "train", "eval")):
        ids = np.random.default_rng(i).integers(0, 2, (80, 64 + 16 * i), np.uint8)
        image = write_raster(folder / f"{i} image.tif", gradient(*ids.shape))
        label = write_raster(folder / f"{i} label.tif", encode_colors(ids, TABLE))
        sources.append(TileSource(tile=f"tile {i}", image=str(image), label=str(label), split=split))
    return TileList(tiles=tuple(sources))


def ingest(tiles: TileList, folder: Path, beam: BeamOptions, seconds: float = 90) -> dict[str, bytes]:
    """The record files that a process of its own writes; nothing that it started outlives it."""
    command = [sys.executable, "-c", INGEST_SCRIPT, tiles.model_dump_json(), INGEST.model_dump_json(), str(folder)]
    log = folder.with_suffix(".log")
    with log.open("w") as file:
        process = subprocess.Popen(
            [*command, *beam_arguments(beam)], cwd=ROOT, start_new_session=True, stdout=file, stderr=file
        )
    try:
        code = process.wait(seconds)
        assert code == 0, log.read_text()[-8000:]
        assert not group_lives(process.pid), "the job server or a worker outlived the run"
    except subprocess.TimeoutExpired:
        pytest.fail(f"not done after {seconds} s\n{log.read_text()[-8000:]}")
    finally:
        if group_lives(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def by_direct_runner(tmp_path_factory: pytest.TempPathFactory) -> tuple[TileList, dict[str, bytes]]:
    """Three tiles, and their record files as the direct runner writes them."""
    folder = tmp_path_factory.mktemp("direct")
    tiles = make_tiles(folder / "tiles")
    records = ingest(tiles, folder / "records", BeamOptions())
    assert len(records) == len(tiles.tiles) == 3
    return tiles, records


@pytest.mark.slow
def test_records_through_a_job_server_are_the_direct_runners(
    home: Path, tmp_path: Path, by_direct_runner: tuple[TileList, dict[str, bytes]]
) -> None:
    """The way to Flink, with Beam's own Python job service at its end: it is started, used by loopback, and stopped."""
    log = home / "job server.txt"
    write_program(home / "bin" / "java", STAND_IN.format(log=log, python=sys.executable))
    jar = write_jar(home / "flink.jar")
    tiles, direct = by_direct_runner
    through = ingest(tiles, tmp_path / "through", BeamOptions(runner="flink", workers=2, job_server_jar=jar))
    assert f"ALL-UNNAMED {jar} --flink-master [auto]" in log.read_text()
    assert through == direct


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["flink", "spark"])
def test_records_of_a_real_cluster_are_the_direct_runners(
    runner: str, tmp_path: Path, by_direct_runner: tuple[TileList, dict[str, bytes]]
) -> None:
    """Flink's and Spark's own local cluster inside Beam's job server, two workers."""
    beam = BeamOptions(runner=runner, workers=2)  # type: ignore[arg-type]
    if not shutil.which("java"):
        pytest.skip(f"{runner} needs a java on the PATH")
    try:
        find_jar(beam)
    except ConfigError as error:
        pytest.skip(f"{error.problem}; to have one: {error.remedy}")
    tiles, direct = by_direct_runner
    assert ingest(tiles, tmp_path / runner, beam) == direct
