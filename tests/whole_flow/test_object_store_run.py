"""The whole main job with tiles and artifacts in an object store: a real S3 server on loopback, in its own process."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.publishing.versions import version_numbers
from components.publishing.warmup import WARMUP_FILE
from tests.s3_server import s3_server
from tests.whole_flow.test_whole_flow import CONFIG, make_tile, reused

pytestmark = pytest.mark.slow

BUCKET = "eoseg"
STEPS = {
    "LabelValidator",
    "TileExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "ExampleValidator",
    "AnomalyGate",
    "Trainer",
    "Evaluator",
    "MapEvaluator",
    "ModelGates",
    "ServingCheck",
    "VersionPusher",
}


class Job:
    """One data set in a bucket, one working directory on the disk."""

    def __init__(self, folder: Path, client: Any) -> None:
        self.client = client
        self.config = folder / "tiny.yaml"
        self.workdir = folder / "work dir"
        config = {
            **CONFIG,
            "data": {**CONFIG["data"], "root": f"s3://{BUCKET}/tiles"},  # type: ignore[dict-item]
            "artifacts": f"s3://{BUCKET}/runs/tiny",
        }
        self.config.write_text(yaml.safe_dump(config))
        for seed, tile in enumerate("abcd"):
            make_tile(folder, tile, seed)
        for path in folder.glob("*.tif"):
            client.upload_file(str(path), BUCKET, f"tiles/{path.name}")
            path.unlink()

    def eoseg(self, verb: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tfx_pipeline.cli.main", verb, str(self.config), "--workdir"]
        return subprocess.run([*command, str(self.workdir)], capture_output=True, text=True, timeout=500, check=False)

    @property
    def keys(self) -> set[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="runs/tiny/")
        return {item["Key"].removeprefix("runs/tiny/") for page in pages for item in page.get("Contents", [])}

    @property
    def versions(self) -> list[int]:
        return version_numbers(self.workdir / "served" / "eoseg")


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    with s3_server(BUCKET) as client:
        yield Job(tmp_path_factory.mktemp("object store"), client)


def test_tiles_in_a_bucket_become_artifacts_in_the_bucket_and_a_local_version(job: Job) -> None:
    done = job.eoseg("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    (version,) = job.versions
    served = job.workdir / "served" / "eoseg" / str(version)
    assert (served / "saved_model.pb").is_file()
    assert (served / WARMUP_FILE).is_file()
    summary = json.loads((job.workdir / "summary.json").read_text())
    assert summary["figures"]["pixels"] == 96 * 96  # each ground pixel of tile d once
    assert not (job.workdir / "artifacts").exists()
    keys = job.keys
    assert {key.partition("/")[0] for key in keys} >= STEPS - {"VersionPusher"}
    (exported,) = (key for key in keys if key.startswith("Trainer/model/") and key.endswith("/saved_model.pb"))
    body = job.client.get_object(Bucket=BUCKET, Key=f"runs/tiny/{exported}")["Body"].read()
    assert body == (served / "saved_model.pb").read_bytes()


def test_the_report_is_made_of_what_is_in_the_bucket(job: Job) -> None:
    page = job.workdir / "report.html"
    written = page.read_text(encoding="utf-8")
    page.unlink()
    done = job.eoseg("report")
    assert done.returncode == 0, done.stderr
    for part in ("s3://eoseg/runs/tiny/Trainer/model", "data:image/jpeg"):
        assert part in written
        assert part in page.read_text(encoding="utf-8")


def test_an_unchanged_run_reuses_every_step(job: Job) -> None:
    versions, keys = job.versions, job.keys
    done = job.eoseg("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(reused(done.stdout)) == len(STEPS), done.stdout
    assert job.versions == versions
    assert {key for key in job.keys if "/.system/" not in key} == {key for key in keys if "/.system/" not in key}
