"""Ground that two splits share is found, whatever the grids; what only touches is not."""

import itertools

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS

from components.geo.footprint import outline, warp_points
from components.geo.raster import Georeference, Grid
from components.geo.window import Window
from components.splits.leakage import Footprint, find_leaks, footprint_of, without_place
from components.tile_source import SPLITS, Split, TileSource

UTM32, UTM33 = CRS.from_epsg(25832).to_wkt(), CRS.from_epsg(25833).to_wkt()
PIXEL_M = 0.5


def footprint(
    tile: str,
    split: Split,
    transform: Affine,
    *,
    height: int = 100,
    width: int = 100,
    crs: str = UTM32,
    area: Window | None = None,
    image: str | None = None,
) -> Footprint:
    return Footprint(tile, split, image or f"{tile}.tif", area, Grid(height, width, Georeference(transform, crs)))


def north_up(row: float, col: float) -> Affine:
    """The transform of a tile whose corner is `(row, col)` pixels from the common origin."""
    return Affine(PIXEL_M, 0, 500_000 + col * PIXEL_M, 0, -PIXEL_M, 5_500_000 - row * PIXEL_M)


rectangles = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 15), st.integers(1, 15))
tiles = st.lists(st.tuples(rectangles, st.sampled_from(SPLITS), st.booleans()), min_size=2, max_size=8)


def pixel_sets(drawn: list[tuple[tuple[int, int, int, int], Split, bool]]) -> dict[tuple[str, str], int]:
    """The oracle: shared pixels of every pair of different splits."""
    shared = {}
    for (i, (a, split, _)), (j, (b, other_split, _)) in itertools.permutations(enumerate(drawn), 2):
        pixels = [set(itertools.product(range(r, r + h), range(c, c + w))) for r, c, h, w in (a, b)]
        if SPLITS.index(split) < SPLITS.index(other_split) and pixels[0] & pixels[1]:
            shared[(str(i), str(j))] = len(pixels[0] & pixels[1])
    return shared


@settings(max_examples=60, deadline=None)
@given(tiles)
def test_tiles_leak_exactly_where_their_pixel_sets_meet(
    drawn: list[tuple[tuple[int, int, int, int], Split, bool]],
) -> None:
    footprints = []
    for i, ((row, col, height, width), split, south_up) in enumerate(drawn):
        transform = north_up(row, col)
        if south_up:  # the same ground, rows counted from below
            transform = transform @ Affine.translation(0, height) @ Affine.scale(1, -1)
        footprints.append(footprint(str(i), split, transform, height=height, width=width))
    found = {(leak.tile, leak.other_tile): leak.overlap for leak in find_leaks(footprints)}
    expected = {pair: pixels * PIXEL_M**2 for pair, pixels in pixel_sets(drawn).items()}
    assert found == pytest.approx(expected)


@settings(max_examples=30, deadline=None)
@given(tiles)
def test_parts_of_one_image_without_georeference_are_compared_by_pixels(
    drawn: list[tuple[tuple[int, int, int, int], Split, bool]],
) -> None:
    footprints = [
        footprint(str(i), split, Affine.identity(), crs="", area=Window(*rectangle), image="photo.jpg")
        for i, (rectangle, split, _) in enumerate(drawn)
    ]
    leaks = find_leaks(footprints)
    assert {(leak.tile, leak.other_tile): leak.overlap for leak in leaks} == pytest.approx(pixel_sets(drawn))
    assert all(leak.unit == "px" for leak in leaks)


@settings(max_examples=40, deadline=None)
@given(st.floats(-0.24, 0.24), st.floats(-0.24, 0.24))
def test_neighbours_whose_transforms_are_rounded_do_not_leak(down: float, right: float) -> None:
    wall = [footprint(f"{r} {c}", SPLITS[(r + c) % 3], north_up(100 * r, 100 * c)) for r in range(3) for c in range(3)]
    wall[4] = footprint("shifted", wall[4].split, north_up(100 + down, 100 + right))
    assert find_leaks(wall) == []


def test_one_shared_column_of_pixels_is_a_leak() -> None:
    (leak,) = find_leaks(
        [
            footprint("north", "train", north_up(0, 0)),
            footprint("east", "eval", north_up(0, 99)),
        ]
    )
    assert (leak.tile, leak.split, leak.other_tile, leak.other_split) == ("north", "train", "east", "eval")
    assert leak.overlap == pytest.approx(100 * PIXEL_M * PIXEL_M)
    assert "tile north (train) and tile east (eval) share 25.0 square metres" in str(leak)


def test_overlap_within_one_split_is_none_of_the_guards_business() -> None:
    assert find_leaks([footprint(str(i), "train", north_up(0, i)) for i in range(3)]) == []


def test_a_rotated_tile_leaks_with_its_ground_not_with_its_bounds() -> None:
    # A square of side 100, turned by 45 degrees around its upper left corner, is a diamond: its bounds have corners
    # that it does not cover.
    turned = north_up(0, 0) @ Affine.rotation(45)
    diamond = footprint("diamond", "train", turned)
    in_the_corner = footprint("corner", "eval", north_up(2, 55), height=15, width=15)
    inside = footprint("inside", "test", north_up(60, -5), height=10, width=10)
    leaks = find_leaks([in_the_corner, diamond, inside])
    assert [(leak.tile, leak.other_tile) for leak in leaks] == [("diamond", "inside")]
    assert leaks[0].overlap == pytest.approx(10 * 10 * PIXEL_M**2)


def in_zone_33(row: float, col: float, size: int) -> Affine:
    """North-up in zone 33, its upper left corner where `north_up(row, col)` has it in zone 32."""
    corner = outline(Grid(size, size, Georeference(north_up(row, col), UTM32)))[:1]
    warped = warp_points(corner, CRS.from_epsg(25832), CRS.from_epsg(25833))
    assert warped is not None
    return Affine(PIXEL_M, 0, warped[0, 0], 0, -PIXEL_M, warped[0, 1])


def test_tiles_of_two_coordinate_systems_are_compared_on_the_ground() -> None:
    here = footprint("zone 32", "eval", north_up(0, 0))
    over = footprint("zone 33", "train", in_zone_33(50, 50, 100), crs=UTM33)
    far = footprint("elsewhere", "train", in_zone_33(500, 500, 100), crs=UTM33)
    (leak,) = find_leaks([here, over, far])
    assert (leak.tile, leak.other_tile) == ("zone 33", "zone 32")
    # Half of each side is shared, up to the angle of 4.6 degrees between the two norths.
    assert leak.overlap == pytest.approx(50 * 50 * PIXEL_M**2, rel=0.1)


def test_neighbours_in_two_systems_only_touch() -> None:
    size = 10_000
    here = footprint("zone 32", "eval", north_up(0, 0), height=size, width=size)
    # Turned by the angle between the norths, and scaled by the ratio of the scales: the same edge in zone 33.
    points = outline(Grid(size, size, Georeference(north_up(0, size), UTM32)))
    warped = warp_points(points, CRS.from_epsg(25832), CRS.from_epsg(25833))
    assert warped is not None
    across, down = (warped[1] - warped[0]) / size, (warped[3] - warped[0]) / size
    edge = Affine(across[0], down[0], warped[0, 0], across[1], down[1], warped[0, 1])
    neighbour = footprint("zone 33", "train", edge, crs=UTM33, height=size, width=size)
    assert find_leaks([here, neighbour]) == []
    one_pixel_in = footprint("zone 33", "train", edge @ Affine.translation(-1, 0), crs=UTM33, height=size, width=size)
    (leak,) = find_leaks([here, one_pixel_in])
    # The neighbour's chord leaves the true edge, which is bent in zone 33, by some centimetres.
    assert leak.overlap == pytest.approx(size * PIXEL_M**2, rel=0.1)


@pytest.mark.parametrize("edge", ["right", "left"])
def test_edges_that_bend_in_the_other_system_are_followed(edge: str) -> None:
    # A tile of 100 km in zone 33, whose eastern and western edges bend by 13 m in zone 32.
    wide = footprint("wide", "train", Affine(100, 0, 100_000, 0, -100, 5_600_000), height=1000, width=1000, crs=UTM33)
    corners = {"right": (1, 2), "left": (3, 0)}[edge]
    ends = outline(wide.grid)[list(corners)]
    zones = CRS.from_epsg(25833), CRS.from_epsg(25832)
    true = warp_points(np.vstack([ends, ends.mean(axis=0)]), *zones)
    assert true is not None
    between = (true[:2].mean(axis=0) + true[2]) / 2  # half way between the chord and the bent edge
    assert np.hypot(*(true[2] - between)) > 5
    small = footprint("small", "eval", Affine(1, 0, between[0] - 2, 0, -1, between[1] + 2), height=4, width=4)
    back = warp_points(between[None], zones[1], zones[0])
    assert back is not None
    x, y = back[0]
    inside = 100_000 < x < 200_000 and 5_500_000 < y < 5_600_000
    assert bool(find_leaks([small, wide])) == inside
    # A still larger tile far away makes zone 32 the system that the others are warped to.
    larger = footprint("larger", "eval", Affine(200, 0, 300_000, 0, -200, 1_000_000), height=1000, width=1000)
    assert bool(find_leaks([small, wide, larger])) == inside


@pytest.mark.parametrize("mosaic_first", [True, False])
def test_a_tile_inside_a_mosaic_of_the_world_leaks(mosaic_first: bool) -> None:
    world = Affine(0.1, 0, -180, 0, -0.1, 90)
    mosaic = footprint("world", "train", world, height=1800, width=3600, crs=CRS.from_epsg(4326).to_wkt())
    here = footprint("here", "test", north_up(0, 0))
    (leak,) = find_leaks([mosaic, here] if mosaic_first else [here, mosaic])
    # On the central meridian of zone 32, where lengths are shrunk to 0.9996.
    assert leak.overlap == pytest.approx((100 * PIXEL_M / 0.9996) ** 2, rel=1e-3)


def test_two_spellings_of_one_system_are_one() -> None:
    wkt2 = CRS.from_epsg(25832).to_wkt(version="WKT2_2019")
    assert wkt2 != UTM32
    leaks = find_leaks([footprint("a", "train", north_up(0, 0)), footprint("b", "test", north_up(50, 0), crs=wkt2)])
    assert [leak.overlap for leak in leaks] == pytest.approx([50 * 100 * PIXEL_M**2])


def test_world_files_without_a_system_place_a_tile_and_plain_pictures_do_not() -> None:
    placed = [footprint("a", "train", north_up(0, 0), crs=""), footprint("b", "eval", north_up(0, 90), crs="")]
    plain = [footprint(name, split, Affine.scale(2), crs="") for name, split in (("c", "train"), ("d", "eval"))]
    (leak,) = find_leaks([*placed, *plain])
    assert (leak.tile, leak.other_tile, leak.overlap, leak.unit) == ("a", "b", pytest.approx(100 * 10), "px")
    assert without_place([*placed, *plain]) == ["c", "d"]


def test_a_tile_of_small_pixels_inside_one_of_large_pixels_leaks() -> None:
    coarse = footprint("coarse", "train", Affine(10, 0, 500_000, 0, -10, 5_500_000))
    sliver = footprint("sliver", "eval", Affine(0.1, 0, 500_999, 0, -0.1, 5_500_000), height=10, width=20)
    (leak,) = find_leaks([coarse, sliver])
    assert leak.overlap == pytest.approx(1.0 * 1.0)  # its left metre


def test_a_footprint_is_made_of_a_source_and_its_grid() -> None:
    source = TileSource(tile="a/r0c1", image="a.tif", label="l.tif", split="test", area=Window(0, 5, 5, 5))
    grid = Grid(10, 10, Georeference(north_up(0, 0), UTM32))
    assert footprint_of(source, grid) == Footprint("a/r0c1", "test", "a.tif", Window(0, 5, 5, 5), grid)


def test_many_tiles_are_compared_in_reasonable_time() -> None:
    rng = np.random.default_rng(0)
    places = rng.integers(0, 100_000, (1000, 2))
    crowd = [
        footprint(str(i), SPLITS[i % 3], north_up(*place), height=500, width=500) for i, place in enumerate(places)
    ]
    expected = sum(
        (np.abs(places[i] - places[i + 1 :]).max(axis=1) < 500).sum()
        - (np.abs(places[i] - places[i + 3 :: 3]).max(axis=1) < 500).sum()
        for i in range(999)
    )
    assert len(find_leaks(crowd)) == expected
