"""Beam's job server for the tests on a real Flink and Spark: the released one, else one that Maven puts together.

The released job server is one jar of several hundred megabytes, which not every Maven repository holds. The libraries
in it are more widely held, of older versions; `job_servers/*/pom.xml` name them, and a jar that points to them.
"""

import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Literal

from components.errors import ConfigError
from tfx_pipeline.beam_runner import BeamOptions, find_jar

ROOT = Path(__file__).parents[2]
MAVEN_SECONDS = 300


class NoJobServerError(Exception):
    """Why there is none."""


def job_server_jar(runner: Literal["flink", "spark"]) -> Path:
    """The jar of a job server that can be started.

    Raises:
        NoJobServerError: If Java is missing; or the released jar is, and Maven is too or cannot reach the libraries.
    """
    if not shutil.which("java"):
        raise NoJobServerError("no java on the PATH")
    try:
        return find_jar(BeamOptions(runner=runner))
    except ConfigError as error:
        released = error.problem
    pom = Path(__file__).parent / "job_servers" / runner / "pom.xml"
    jar = ROOT / "build/job-servers" / runner / "job-server.jar"
    if not _is_whole(jar, pom):
        try:
            _package(pom)
        except NoJobServerError as error:
            raise NoJobServerError(f"{released}; nor could one be put together: {error}") from error
    return jar


def _package(pom: Path) -> None:
    if not shutil.which("mvn"):
        raise NoJobServerError("no mvn on the PATH")
    try:
        maven = subprocess.run(
            ["mvn", "-B", "-q", "-f", str(pom), "package"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=MAVEN_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise NoJobServerError(f"Maven was not done after {MAVEN_SECONDS} s") from error
    if maven.returncode:
        lines = [line.strip() for line in maven.stdout.splitlines() if "ERROR" in line]
        raise NoJobServerError(lines[0] if lines else f"Maven ended with {maven.returncode}")


def _is_whole(jar: Path, pom: Path) -> bool:
    """Whether the jar is there, not older than its description, and all that it points to is there."""
    if not jar.is_file() or jar.stat().st_mtime < pom.stat().st_mtime:
        return False
    with zipfile.ZipFile(jar) as archive:
        manifest = archive.read("META-INF/MANIFEST.MF").decode().replace("\r\n ", "")
    (paths,) = (line for line in manifest.splitlines() if line.startswith("Class-Path: "))
    return all(Path(path).is_file() for path in paths.removeprefix("Class-Path: ").split())
