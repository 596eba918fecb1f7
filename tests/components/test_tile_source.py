"""A tile knows its files, and of which tile it is a part."""

import pytest

from components.geo.window import Window
from components.tile_source import TileSource


@pytest.mark.parametrize(
    ("tile", "area", "whole"),
    [
        ("a", None, "a"),
        ("area 1/r0c12", Window(0, 0, 8, 8), "area 1"),
        ("a/b/r3c4", Window(0, 0, 8, 8), "a/b"),
        ("a/r3c4", None, "a/r3c4"),  # somebody's own id, not a block
        ("a", Window(0, 0, 8, 8), "a"),
    ],
)
def test_a_block_names_the_tile_it_is_cut_from(tile: str, area: Window | None, whole: str) -> None:
    assert TileSource(tile=tile, image="a.tif", label="l.tif", split="train", area=area).whole_tile == whole


def test_all_files_of_a_tile_are_named_once_each() -> None:
    source = TileSource(
        tile="a",
        image="a.tif",
        rasters={"dsm": "dsm.tif"},
        masks={"roof": "roof.png", "lawn": "lawn.png"},
        ignore="edge.png",
        split="train",
    )
    assert source.files == ("a.tif", "dsm.tif", "roof.png", "lawn.png", "edge.png")
