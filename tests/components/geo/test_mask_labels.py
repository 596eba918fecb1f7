"""Labels given as one binary raster a class."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from components.classes import VOID_ID, ClassTable, LandClass
from components.errors import ConfigError, LabelError
from components.geo.label_options import MaskLabels
from components.geo.labels import LabelDecoder, LabelReader
from components.geo.raster import Georeference, Grid
from components.geo.window import Window
from components.tile_source import TileSource
from tests.make_raster import ORIGIN, write_raster

TABLE = ClassTable(
    classes=(
        LandClass(name="ground", color=(9, 9, 9)),
        LandClass(name="roof", color=(255, 0, 0)),
        LandClass(name="lawn", color=(0, 255, 0)),
    )
)
GROUND, ROOF, LAWN = 0, 1, 2


@contextmanager
def opened(shape: tuple[int, int], masks: dict[str, Path], **options: Any) -> Iterator[LabelReader]:
    source = TileSource(tile="a", image="", masks={n: str(p) for n, p in masks.items()}, split="train")
    grid = Grid(*shape, Georeference(ORIGIN, ""))
    with LabelDecoder(TABLE, MaskLabels(kind="masks", **options)).open(source, grid) as label:
        yield label


def ids_of(masks: dict[str, Path], **options: Any) -> list[list[int]]:
    with opened((1, 4), masks, **options) as label:
        found: list[list[int]] = label.read(Window(0, 0, 1, 4)).tolist()
        return found


def mask(path: Path, values: list[int], **how: Any) -> Path:
    return write_raster(path, np.array([values], np.uint8), **how)


@settings(max_examples=25, deadline=None)
@given(
    claims=hnp.arrays(np.bool_, (3, 6, 5)),
    overlap=st.sampled_from(["last", "void"]),
    background=st.sampled_from(["ground", "void"]),
)
def test_the_only_claim_counts_two_claims_follow_the_policy_none_is_background(
    claims: np.ndarray, overlap: str, background: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("masks")
    # the files' order is not the classes' order
    names = ["lawn", "roof", "ground"]
    masks = {n: write_raster(folder / f"{n}.tif", c.astype(np.uint8) * 255) for n, c in zip(names, claims, strict=True)}
    with opened((6, 5), masks, overlap=overlap, background=background) as label:
        found = label.read(Window(0, 0, 6, 5))
    for row in range(6):
        for col in range(5):
            claiming = sorted(TABLE.names.index(n) for n, c in zip(names, claims, strict=True) if c[row, col])
            if not claiming:
                expected = {"ground": GROUND, "void": VOID_ID}[background]
            elif len(claiming) == 1 or overlap == "last":
                expected = claiming[-1]
            else:
                expected = VOID_ID
            assert found[row, col] == expected


def test_an_overlap_is_an_error_with_its_place_by_default(tmp_path: Path) -> None:
    masks = {"roof": mask(tmp_path / "r.tif", [0, 1, 1, 0]), "lawn": mask(tmp_path / "l.tif", [0, 0, 7, 7])}
    with pytest.raises(LabelError, match=r"l\.tif claims 1 pixels(.|\n)*row 0, column 2: lawn and roof"):
        ids_of(masks)


def test_nodata_in_a_mask_is_not_the_class(tmp_path: Path) -> None:
    masks = {"roof": mask(tmp_path / "r.tif", [0, 1, 255, 2], nodata=255)}
    assert ids_of(masks, background="ground") == [[GROUND, ROOF, GROUND, ROOF]]


def test_a_void_mask_claims_without_an_overlap(tmp_path: Path) -> None:
    masks = {"void": mask(tmp_path / "v.tif", [1, 1, 0, 0]), "roof": mask(tmp_path / "r.tif", [0, 1, 1, 0])}
    assert ids_of(masks, background="ground") == [[VOID_ID, VOID_ID, ROOF, GROUND]]


def test_a_palette_mask_is_read_through_its_colours(tmp_path: Path) -> None:
    inverted = mask(tmp_path / "r.tif", [0, 1, 1, 0], palette=[(255, 255, 255), (0, 0, 0)])
    assert ids_of({"roof": inverted}) == [[ROOF, VOID_ID, VOID_ID, ROOF]]


def test_a_pixel_is_described_by_the_mask_that_claims_it(tmp_path: Path) -> None:
    masks = {"roof": mask(tmp_path / "r.tif", [0, 1, 0, 0]), "void": mask(tmp_path / "v.tif", [0, 0, 1, 0])}
    with opened((1, 4), masks) as label:
        described = [label.describe(int(raw)) for raw in label.read_raw(Window(0, 0, 1, 4))[0]]
        assert label.raster is not None
    assert described == ["no mask", "mask roof", "void", "no mask"]


def test_masks_on_different_grids_are_refused_unless_resampled(tmp_path: Path) -> None:
    masks = {
        "roof": mask(tmp_path / "r.tif", [0, 1, 0, 0], crs=None),
        "lawn": write_raster(tmp_path / "l.tif", np.array([[1] * 2 + [0] * 6] * 2, np.uint8), crs=None),
    }
    with pytest.raises(LabelError, match=r"l\.tif \(2 x 8 pixels\) lies on another grid(.|\n)*resample: true"):
        ids_of(masks)
    assert ids_of(masks, resample=True, background="ground") == [[LAWN, ROOF, GROUND, GROUND]]


def test_a_tile_without_masks_and_a_mask_of_no_class_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="tile a has no masks"):
        ids_of({})
    with pytest.raises(ConfigError, match=r"data\.labels names 'pond', which is no class"):
        ids_of({"pond": mask(tmp_path / "p.tif", [0, 0, 0, 0])})
    with pytest.raises(ConfigError, match=r"labels\.background names 'pond'"):
        LabelDecoder(TABLE, MaskLabels(kind="masks", background="pond"))
