"""Reading takes bounded memory, whatever the size of the tile and of the machine."""

import os
import subprocess
import sys
from pathlib import Path

import rasterio

from tests.make_raster import ORIGIN

READ = """
import resource, sys
from components.geo.geotiff import CACHE_MB, open_raster
from components.geo.window import Window
with open_raster(sys.argv[1]) as raster:
    raster.read(Window(0, 0, 512, raster.width))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for row in range(0, raster.height - 511, 512):
        raster.read(Window(row, 0, 512, raster.width))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, CACHE_MB)
"""


def test_gdal_keeps_no_more_than_its_share(tmp_path: Path) -> None:
    # 20480 x 20480 x 2 bytes are 800 MB; nothing of it is on disk (sparse), but GDAL keeps what it "decoded".
    path = tmp_path / "large.tif"
    shape = {"height": 20480, "width": 20480, "count": 2, "dtype": "uint8", "crs": "EPSG:25832", "transform": ORIGIN}
    with rasterio.open(path, "w", driver="GTiff", tiled=True, SPARSE_OK=True, **shape):
        pass
    environment = {key: value for key, value in os.environ.items() if key != "GDAL_CACHEMAX"}
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True, env=environment
    )
    grown_mb, cache_mb = map(int, done.stdout.split())
    assert grown_mb < 1.3 * cache_mb
