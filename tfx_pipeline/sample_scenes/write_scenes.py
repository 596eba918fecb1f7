"""Writes scenes as tiles in the folders and under the names of the ISPRS Vaihingen benchmark.

folder/top/top_mosaic_area1.tif   near infrared, red, green; uint8
folder/rgb/rgb_area1.tif          red, green, blue; uint8
folder/dsm/dsm_area1.tif          surface height in metres; float32
folder/labels/label_area1.tif     classes in ISPRS colours; uint8
folder/scenes.json                which options each tile was written with
"""

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from components.errors import ConfigError
from tfx_pipeline.sample_scenes.options import SceneOptions
from tfx_pipeline.sample_scenes.scene import GENERATOR_VERSION, Scene, generate_scene

MANIFEST = "scenes.json"
MAX_TILE = 9999
"""The largest tile number: the places of 10000 tiles fit into the zone of the coordinate system."""

_TILES_A_ROW = 50
# The upper left corner of tile 0, in the middle of the zone.
_WEST_M, _NORTH_M = 450_000.0, 5_450_000.0


def write_scenes(
    folder: Path | str, tiles: Sequence[int], *, seed: int, size_px: int, ground_sample_distance_m: float
) -> None:
    """Writes the scenes that are not there yet; those that are keep their bytes and their times.

    Args:
        folder: Where to; made if it is not there.
        tiles: Numbers of the tiles, each its own scene at its own place.
        seed: Of the whole set.
        size_px: Height and width of every tile, in pixels.
        ground_sample_distance_m: Side of a pixel on the ground, in metres.

    Raises:
        ConfigError: On tile numbers that stand twice or are out of range.
        pydantic.ValidationError: On a seed, size or distance that `SceneOptions` refuses.
    """
    if len(set(tiles)) != len(tiles) or not all(0 <= tile <= MAX_TILE for tile in tiles):
        raise ConfigError(
            f"tiles {list(tiles)}", f"numbers from 0 to {MAX_TILE}, none of them twice", "name other tiles"
        )
    wanted = {
        tile: scene_options(tile, seed=seed, size_px=size_px, ground_sample_distance_m=ground_sample_distance_m)
        for tile in tiles
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / MANIFEST
    written = _read_manifest(manifest)
    for tile, options in wanted.items():
        entry = options.model_dump()
        if written.get(str(tile)) == entry and all(path.is_file() for path in tile_paths(folder, tile).values()):
            continue
        # The entry goes before the files and comes back after them: an interrupted run is never taken for a whole one.
        if written.pop(str(tile), None) is not None:
            _write_manifest(manifest, written)
        _write_tile(folder, tile, generate_scene(options))
        written[str(tile)] = entry
        _write_manifest(manifest, written)


def scene_options(tile: int, *, seed: int, size_px: int, ground_sample_distance_m: float) -> SceneOptions:
    """The options of one tile of a set: a seed of its own, and a place where no other tile lies.

    Places are a whole number of kilometres apart, at least the size of a tile.
    """
    pitch_m = 1000.0 * math.ceil((size_px * ground_sample_distance_m + 1) / 1000)
    row, col = divmod(tile, _TILES_A_ROW)
    SceneOptions(seed=seed)  # refuses what no seed can be, as it would refuse the rest
    own_seed = int(np.random.SeedSequence((seed, tile)).generate_state(1, np.uint64)[0] >> np.uint64(1))
    return SceneOptions(
        seed=own_seed,
        height_px=size_px,
        width_px=size_px,
        ground_sample_distance_m=ground_sample_distance_m,
        west_m=_WEST_M + col * pitch_m,
        north_m=_NORTH_M - row * pitch_m,
    )


def tile_paths(folder: Path, tile: int) -> dict[str, Path]:
    """The files of a tile: top (near infrared, red, green), rgb, dsm (surface height) and labels."""
    return {
        "top": folder / "top" / f"top_mosaic_area{tile}.tif",
        "rgb": folder / "rgb" / f"rgb_area{tile}.tif",
        "dsm": folder / "dsm" / f"dsm_area{tile}.tif",
        "labels": folder / "labels" / f"label_area{tile}.tif",
    }


def _write_tile(folder: Path, tile: int, scene: Scene) -> None:
    paths = tile_paths(folder, tile)
    _write_geotiff(paths["top"], scene, scene.irrg, ("near infrared", "red", "green"))
    _write_geotiff(paths["rgb"], scene, scene.rgb, ("red", "green", "blue"))
    _write_geotiff(paths["dsm"], scene, scene.surface_height_m[:, :, None], ("surface height in metres",))
    _write_geotiff(paths["labels"], scene, scene.label_colors(), ("red", "green", "blue"))


def _write_geotiff(path: Path, scene: Scene, pixels: NDArray[Any], names: tuple[str, ...]) -> None:
    """Writes (height, width, bands) beside its place, then renames it into it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, bands = pixels.shape
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with rasterio.open(
            partial,
            "w",
            driver="GTiff",
            height=height,
            width=width,
            count=bands,
            dtype=pixels.dtype,
            crs=scene.crs,
            transform=scene.transform,
            tiled=True,
            blockxsize=256,
            blockysize=256,
            compress="lzw",
            # Differences of neighbours pack better: 2 is for whole numbers, 3 for floats.
            predictor=3 if pixels.dtype.kind == "f" else 2,
            photometric="RGB" if bands == 3 else "MINISBLACK",
        ) as raster:
            raster.write(pixels.transpose(2, 0, 1))
            raster.descriptions = names
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _read_manifest(path: Path) -> dict[str, Any]:
    """Options by tile number; none if the file is missing, damaged or of another generator version."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(content, dict) or content.get("generator_version") != GENERATOR_VERSION:
        return {}
    scenes = content.get("scenes")
    return scenes if isinstance(scenes, dict) else {}


def _write_manifest(path: Path, scenes: dict[str, Any]) -> None:
    ordered = {tile: scenes[tile] for tile in sorted(scenes, key=int)}
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    content = {"generator_version": GENERATOR_VERSION, "scenes": ordered}
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
