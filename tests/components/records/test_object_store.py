"""Records in an object store: written in one piece, read back by the data set. A real S3 server on loopback.

The work is done in a process of its own: tensorflow-io's S3 client aborts the process at exit.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import numpy as np
import pytest
from moto.server import ThreadedMotoServer

from components.classes import ClassTable, LandClass, encode_colors
from tests.make_raster import gradient, write_raster

TABLE = ClassTable(classes=(LandClass(name="roof", color=(255, 0, 0)), LandClass(name="lawn", color=(0, 255, 0))))

INGEST = """
import os, sys
import apache_beam as beam
from components.dataset.record_index import index_records, record_files
from components.geo.bands import BandSet
from components.geo.patches import PatchOptions
from components.records.transforms import WriteRecords
from components.records.write_tile import IngestOptions
from components.tile_source import TileSource
from tests.components.records.test_object_store import TABLE

folder, target = sys.argv[1:]
source = TileSource(tile="a", image=f"{folder}/image.tif", label=f"{folder}/label.tif", split="train")
options = IngestOptions(table=TABLE, bands=BandSet.of_numbers((1, 2, 3)), patches=PatchOptions(size=16))
with beam.Pipeline() as pipeline:
    _ = pipeline | beam.Create([source]) | WriteRecords(options, target)
files = record_files([f"{target}/Split-train/*"])
index = index_records(files)
print("records", len(index), "bytes", sum(map(len, index.read(range(len(index))))), flush=True)
os._exit(0)
"""


@pytest.fixture
def object_store() -> Iterator[dict[str, str]]:
    """The environment that points S3 clients at the server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "S3_ENDPOINT": f"http://{host}:{port}",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }
    server.stop()


@pytest.mark.slow
def test_records_go_to_an_object_store_and_come_back(object_store: dict[str, str], tmp_path: Path) -> None:
    ids = np.random.default_rng(0).integers(0, 2, (32, 48), np.uint8)
    write_raster(tmp_path / "image.tif", gradient(32, 48))
    write_raster(tmp_path / "label.tif", encode_colors(ids, TABLE))
    client = boto3.client(
        "s3",
        endpoint_url=object_store["AWS_ENDPOINT_URL"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="records")
    done = []
    for target in (str(tmp_path / "local"), "s3://records/run 1"):
        done.append(
            subprocess.run(
                [sys.executable, "-W", "ignore", "-c", INGEST, str(tmp_path), target],
                env={**os.environ, **object_store, "PYTHONPATH": os.pathsep.join(sys.path)},
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
        )
    local, remote = (run.stdout.splitlines()[-1:] for run in done)
    assert local == remote, done[1].stderr[-3000:]
    assert local[0].startswith("records 6 bytes")
    names = [item["Key"] for item in client.list_objects_v2(Bucket="records")["Contents"]]
    (local_file,) = (tmp_path / "local" / "Split-train").iterdir()
    assert names == [f"run 1/Split-train/{local_file.name}"]
    assert client.get_object(Bucket="records", Key=names[0])["Body"].read() == local_file.read_bytes()
