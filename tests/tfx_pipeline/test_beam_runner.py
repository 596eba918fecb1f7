"""Which arguments Beam gets."""

import os
import stat
from importlib import metadata
from pathlib import Path

import pytest
from pydantic import ValidationError

from components.errors import ConfigError
from tfx_pipeline.beam_runner import BeamOptions, beam_arguments, find_jar

OWN_CODE = "--sdk_container_image=none"
ON_DATAFLOW = ("--project=p", "--region=r", "--temp_location=gs://b/t", "--sdk_container_image=i")


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
        "--runner=DirectRunner", "--direct_running_mode=in_memory", "--direct_num_workers=1", OWN_CODE,
    ]  # fmt: skip
    assert beam_arguments(BeamOptions(workers=3, extra=("--save_main_session",))) == [
        "--runner=DirectRunner", "--direct_running_mode=multi_threading", "--direct_num_workers=3", OWN_CODE,
        "--save_main_session",
    ]  # fmt: skip


def test_flink_without_a_master_is_a_cluster_of_its_own(home: Path) -> None:
    jar = write_jar(home / "flink.jar")
    arguments = beam_arguments(BeamOptions(runner="flink", job_server_jar=jar))
    assert [word for word in arguments if "jvm_properties" not in word] == [
        "--runner=FlinkRunner", "--flink_master=[auto]", "--parallelism=1", f"--flink_job_server_jar={jar}",
        "--environment_type=LOOPBACK", OWN_CODE,
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
    assert arguments[-3:] == ["--environment_type=EXTERNAL", "--environment_config=localhost:50000", OWN_CODE]
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
