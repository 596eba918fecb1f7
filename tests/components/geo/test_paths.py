"""Paths of this machine and of GDAL's virtual file systems, against a real S3 protocol server on loopback."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import boto3
import numpy as np
import pytest
from affine import Affine

from components.errors import MissingFileError, RasterError
from components.geo.bands import Band, BandSet
from components.geo.geotiff import open_raster
from components.geo.image import open_image
from components.geo.paths import file_exists, gdal_path, is_remote
from components.geo.window import Window
from tests.make_raster import ORIGIN, gradient, write_raster


@pytest.mark.parametrize(
    ("path", "as_gdal_wants_it"),
    [
        ("s3://bucket/a folder/key.tif", "/vsis3/bucket/a folder/key.tif"),
        ("gs://bucket/key.tif", "/vsigs/bucket/key.tif"),
        ("az://container/key.tif", "/vsiaz/container/key.tif"),
        ("https://host/a b.tif", "/vsicurl/https://host/a%20b.tif"),
        ("http://host/a.tif", "/vsicurl/http://host/a.tif"),
        ("/vsizip/tiles.zip/a.tif", "/vsizip/tiles.zip/a.tif"),
    ],
)
def test_stores_urls_and_archives_are_gdals(path: str, as_gdal_wants_it: str) -> None:
    assert gdal_path(path) == as_gdal_wants_it
    assert is_remote(path)


@pytest.mark.parametrize("path", ["/data/a b.tif", "relative/a.tif", "odd://host/a.tif", "s3/a.tif"])
def test_other_paths_are_local_and_stay_as_they_are(path: str) -> None:
    assert gdal_path(path) == path
    assert not is_remote(path)


def test_file_urls_are_local(tmp_path: Path) -> None:
    (tmp_path / "a b.csv").write_text("1")
    assert gdal_path(f"file://{tmp_path}/a b.csv") == f"{tmp_path}/a b.csv"
    assert file_exists(f"file://{tmp_path}/a b.csv")
    assert not file_exists(tmp_path / "none.csv")


def test_files_in_archives_are_read(tmp_path: Path) -> None:
    write_raster(tmp_path / "a.tif", gradient(8, 9))
    with zipfile.ZipFile(tmp_path / "tiles.zip", "w") as archive:
        archive.write(tmp_path / "a.tif", "inside/a.tif")
    with open_raster(f"/vsizip/{tmp_path}/tiles.zip/inside/a.tif") as reader:
        np.testing.assert_array_equal(reader.read(Window(2, 3, 4, 5)).pixels, gradient(8, 9)[2:6, 3:8])
    assert not file_exists(f"/vsizip/{tmp_path}/tiles.zip/none.tif")


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket with an image, heights on a coarser grid, a table and a file that only looks like a raster."""
    server_module = pytest.importorskip("moto.server", reason="moto's S3 server is not installed")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_S3_ENDPOINT": f"{host}:{port}",
        "AWS_HTTPS": "NO",
        "AWS_VIRTUAL_HOSTING": "FALSE",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1")
    # GDAL remembers what it saw of a bucket for the life of the process: each test has its own.
    name = f"tiles-{port}"
    client.create_bucket(Bucket=name)
    image = write_raster(tmp_path / "image.tif", gradient(64, 80))
    dsm = write_raster(tmp_path / "dsm.tif", np.full((32, 40), 7, np.uint8), transform=ORIGIN @ Affine.scale(2))
    client.upload_file(str(image), name, "a folder/image.tif")
    client.upload_file(str(dsm), name, "dsm.tif")
    client.put_object(Bucket=name, Key="list.csv", Body=b"tile,image\n")
    client.put_object(Bucket=name, Key="broken.tif", Body=b"II*\0 no raster")
    try:
        yield f"s3://{name}"
    finally:
        server.stop()


def test_tiles_are_read_from_an_s3_server(bucket: str) -> None:
    with open_raster(f"{bucket}/a folder/image.tif", [3, 1]) as reader:
        raster = reader.read(Window(5, 6, 20, 30))
    np.testing.assert_array_equal(raster.pixels, gradient(64, 80)[5:25, 6:36][..., [2, 0]])
    assert file_exists(f"{bucket}/list.csv")
    assert file_exists(f"{bucket}/dsm.tif")
    assert not file_exists(f"{bucket}/none.csv")
    assert not file_exists("s3://no-such-bucket-here/none.csv")


def test_composites_are_warped_from_an_s3_server(bucket: str) -> None:
    bands = BandSet(bands=(Band(name="red", number=1), Band(name="height", raster="dsm", number=1)))
    files = {"image": f"{bucket}/a folder/image.tif", "dsm": f"{bucket}/dsm.tif"}
    with open_image(files, bands) as reader:
        assert reader.resampled == ("dsm: 1 m onto 0.5 m, EPSG:25832",)
        assert (reader.read(Window(2, 2, 60, 70)).pixels[..., 1] == 7).all()


def test_a_key_that_is_not_there_is_a_missing_file_and_a_damaged_one_is_not(bucket: str) -> None:
    with pytest.raises(MissingFileError, match=r"none\.tif does not exist"), open_raster(f"{bucket}/none.tif"):
        pass
    with pytest.raises(RasterError, match=r"broken\.tif cannot be opened"), open_raster(f"{bucket}/broken.tif"):
        pass


def test_a_server_that_does_not_answer_is_no_missing_file() -> None:
    # Two paths, because GDAL takes what it did not get for missing when it is asked again.
    assert file_exists("http://127.0.0.1:9/a.tif")
    with pytest.raises(RasterError, match="cannot be opened"), open_raster("http://127.0.0.1:9/b.tif"):
        pass
