"""Who distributes the work: the options `beam` of a configuration, and what Beam itself is told for them.

The pipelines are the same everywhere. Flink and Spark are reached through Beam's portable runner: a job server (Java)
takes the pipeline and runs it on a cluster, or on a small one inside itself, and calls Python workers for our steps.

Beam would fetch a missing job server from the network by itself; here it is always a file that is already on the
disk, so that a run never depends on more than what was installed.
"""

import os
import re
import shutil
from importlib import metadata
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from components.errors import ConfigError
from components.options import Options

Runner = Literal["direct", "flink", "spark", "dataflow"]
Environment = Literal["loopback", "process", "docker", "external"]

# Flink and Spark look into classes of the JDK. Their own start scripts open these modules since Java 17; a job server
# is started without those scripts. Java 8 does not know the option, and the first line lets it pass.
JVM_PROPERTIES = (
    "-XX:+IgnoreUnrecognizedVMOptions",
    *(
        f"--add-opens=java.base/{package}=ALL-UNNAMED"
        for package in (
            "java.io", "java.lang", "java.lang.invoke", "java.lang.reflect", "java.net", "java.nio", "java.text",
            "java.time", "java.util", "java.util.concurrent", "java.util.concurrent.atomic", "sun.nio.ch",
        )
    ),
)  # fmt: skip

# Beam's flags that an option of ours speaks for, and that option.
SPOKEN_FOR = {
    "runner": "runner",
    "direct_running_mode": "workers",
    "direct_num_workers": "workers",
    "parallelism": "workers",
    "max_num_workers": "workers",
    "flink_master": "master",
    "spark_master_url": "master",
    "flink_job_server_jar": "job_server_jar",
    "spark_job_server_jar": "job_server_jar",
    "flink_version": "flink_version",
    "job_endpoint": "job_endpoint",
    "environment_type": "environment",
    "environment_config": "environment_config",
}

NEEDED_BY_DATAFLOW = ("project", "region", "temp_location", "sdk_container_image")


class BeamOptions(Options):
    """How Beam runs."""

    runner: Runner = "direct"
    """`direct`: on this machine, without Java. `flink`, `spark`: through a job server. `dataflow`: all by `extra`."""
    workers: int = Field(default=1, ge=1)
    """Threads of the direct runner; the parallelism of Flink and of Spark without a
    `master`; the most machines of Dataflow."""
    master: str | None = Field(default=None, min_length=1)
    """`host:port` of Flink's REST server, or `spark://host:port`; None is a small cluster inside the job server."""
    job_server_jar: str | None = Field(default=None, min_length=1)
    """The job server; None looks into the environment and into the local Maven repository, see docs/beam-runners.md."""
    flink_version: str = Field(default="1.20", pattern=r"^\d+\.\d+$")
    """Which Flink the job server is looked for; it must be the cluster's."""
    job_endpoint: str | None = Field(default=None, pattern=r"^[^\s:/]+:\d+$")
    """`host:port` of a job server that is running already; none is started then."""
    environment: Environment = "loopback"
    """Where our Python runs. `loopback`: in threads of this process, for clusters on this machine. `external`: in
    worker pools beside the cluster's workers. `docker`, `process`: started by the cluster's workers."""
    environment_config: str | None = Field(default=None, min_length=1)
    """`external`: `host:port` of the pool, as the cluster's worker sees it; `docker`: the image; `process`: Beam's JSON
    `{"command": ...}`."""
    extra: tuple[str, ...] = ()
    """More of Beam's own arguments, each `--key=value` or `--key`."""

    @field_validator("extra")
    @classmethod
    def _are_arguments(cls, extra: tuple[str, ...]) -> tuple[str, ...]:
        for argument in extra:
            if not re.match(r"^--[A-Za-z][A-Za-z0-9_]*(=.*)?$", argument, re.DOTALL):
                raise ValueError(f"'{argument}' is no argument of Beam; write --key=value")
            if _key(argument) in SPOKEN_FOR:
                raise ValueError(f"'{argument}': write the option beam.{SPOKEN_FOR[_key(argument)]} instead")
        return extra

    @model_validator(mode="after")
    def _fits_together(self) -> "BeamOptions":
        portable = ("master", "job_server_jar", "job_endpoint", "environment", "environment_config", "flink_version")
        if self.runner not in ("flink", "spark"):
            for name in portable:
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(f"{name} is for the runners flink and spark, the runner is {self.runner}")
        if (self.environment == "loopback") != (self.environment_config is None):
            raise ValueError(
                "environment loopback takes no environment_config"
                if self.environment == "loopback"
                else f"environment {self.environment} needs an environment_config"
            )
        for other in ("master", "job_server_jar"):
            if self.job_endpoint and getattr(self, other):
                raise ValueError(f"job_endpoint and {other}: the job server that is running has its own {other}")
        missing = [key for key in NEEDED_BY_DATAFLOW if key not in map(_key, self.extra)]
        if self.runner == "dataflow" and missing:
            raise ValueError(f"runner dataflow needs --{missing[0]}=... in extra")
        return self


_OWN_CODE = "--sdk_container_image=none"
"""For workers that have EOSeg and TFX already. Where no image is named, TFX packs itself for the workers before every
step: it takes a second, and leaves 46 MB in the folder for temporary files."""


def beam_arguments(options: BeamOptions) -> list[str]:
    """Beam's arguments.

    Raises:
        ConfigError: If a job server is to be started, and it or Java is not there.
    """
    if options.runner == "direct":
        # Threads, not Beam's multi_processing: reading, decoding and writing release the interpreter's lock, so that
        # two scale well, while each process first imports TensorFlow for many seconds, and one that dies is waited
        # for without an end.
        mode = "in_memory" if options.workers == 1 else "multi_threading"
        chosen = [
            "--runner=DirectRunner",
            f"--direct_running_mode={mode}",
            f"--direct_num_workers={options.workers}",
            _OWN_CODE,
        ]
    elif options.runner == "dataflow":
        chosen = ["--runner=DataflowRunner", f"--max_num_workers={options.workers}"]
    elif options.runner == "flink":
        chosen = [
            "--runner=FlinkRunner",
            f"--flink_master={options.master or '[auto]'}",  # Beam's word for a cluster of its own
            f"--parallelism={options.workers}",
            *_job_server(options),
            *_environment(options),
        ]
    else:
        chosen = [
            "--runner=SparkRunner",
            f"--spark_master_url={options.master or f'local[{options.workers}]'}",
            *_job_server(options),
            *_environment(options),
        ]
    if "worker_harness_container_image" in map(_key, options.extra):  # its old name, which stands beside it nowhere
        chosen = [argument for argument in chosen if _key(argument) != _key(_OWN_CODE)]
    return [*chosen, *options.extra]


def find_jar(options: BeamOptions) -> Path:
    """The job server: the option `job_server_jar`, else EOSEG_<RUNNER>_JOB_SERVER_JAR, else in `~/.m2/repository`.

    Raises:
        ConfigError: If there is none, or what is named is not there.
    """
    variable = f"EOSEG_{options.runner.upper()}_JOB_SERVER_JAR"
    named = {"beam.job_server_jar": options.job_server_jar, f"the variable {variable}": os.environ.get(variable)}
    for who, path in named.items():
        if path:
            if not Path(path).is_file():
                raise ConfigError(f"{who} names {path}, which is not there", "the job server's jar", "correct the path")
            return Path(path).absolute()
    flavour = f"flink-{options.flink_version}" if options.runner == "flink" else "spark-3"
    artifact, version = f"beam-runners-{flavour}-job-server", metadata.version("apache-beam")
    jar = Path.home() / f".m2/repository/org/apache/beam/{artifact}/{version}/{artifact}-{version}.jar"
    if not jar.is_file():
        raise ConfigError(
            f"beam.runner is {options.runner}, and there is no job server of Beam {version} for it",
            f"{jar}, or its path in beam.job_server_jar or in the variable {variable}",
            f"mvn dependency:get -Dtransitive=false -Dartifact=org.apache.beam:{artifact}:{version}",
        )
    return jar


def _job_server(options: BeamOptions) -> list[str]:
    if options.job_endpoint:
        return [f"--job_endpoint={options.job_endpoint}"]
    jar = find_jar(options)
    if any(_key(argument) == f"{options.runner}_submit_uber_jar" for argument in options.extra):
        return [f"--{options.runner}_job_server_jar={jar}"]  # goes to the cluster as it is
    if not shutil.which("java"):
        raise ConfigError(
            f"beam.runner is {options.runner}, and there is no java on the PATH",
            "a Java runtime, which Beam's job server runs in",
            "install one (17 is known to fit), or name a job server that runs elsewhere in beam.job_endpoint",
        )
    properties = [f"--job_server_jvm_properties={word}" for word in JVM_PROPERTIES]
    return [f"--{options.runner}_job_server_jar={jar}", *properties]


def _environment(options: BeamOptions) -> list[str]:
    arguments = [f"--environment_type={options.environment.upper()}"]
    if options.environment_config:
        arguments.append(f"--environment_config={options.environment_config}")
    image = f"--sdk_container_image={options.environment_config}" if options.environment == "docker" else _OWN_CODE
    return [*arguments, image]


def _key(argument: str) -> str:
    return argument.removeprefix("--").partition("=")[0]
