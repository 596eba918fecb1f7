"""Blocks cover a tile, and train keeps its distance from what is evaluated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import ndimage

from components.errors import ConfigError
from components.geo.window import Window
from components.splits.ground_blocks import BlockOptions, buffered, plan_blocks, refuse_narrow
from components.tile_source import SPLITS, Split, TileSource

sides = st.integers(1, 120)


@st.composite
def block_options(draw: st.DrawFn) -> BlockOptions:
    size, folds = draw(st.integers(16, 30)), draw(st.integers(3, 6))
    return BlockOptions(
        size_px=size,
        pattern=draw(st.sampled_from(["folds", "checkerboard"])),
        folds=folds,
        eval=(draw(st.integers(0, folds - 2)),),
        test=draw(st.sampled_from([(), (folds - 1,)])),
        buffer_px=draw(st.integers(0, size // 2)),
        seed=draw(st.integers(0, 3)),
    )


@settings(max_examples=150, deadline=None)
@given(sides, sides, block_options())
def test_blocks_cover_a_tile_but_for_the_buffers_which_are_wide_enough(
    height: int, width: int, options: BlockOptions
) -> None:
    blocks = plan_blocks("tile", height, width, options)
    areas = buffered(blocks, {block.name: block.split for block in blocks}, options.buffer_px)
    whole, kept = np.zeros((height, width), int), np.zeros((height, width), int)
    held_out, train = np.zeros((height, width), bool), np.zeros((height, width), bool)
    for block in blocks:
        whole[block.window.slices] += 1
        if block.name in areas:
            kept[areas[block.name].slices] += 1
            (train if block.split == "train" else held_out)[areas[block.name].slices] = True
        if block.split != "train":
            assert areas[block.name] == block.window
    assert (whole == 1).all()
    assert kept.max() <= 1
    if held_out.any():
        # Chebyshev distance 1 is the next pixel: then no pixel lies between.
        distance = ndimage.distance_transform_cdt(~held_out, metric="chessboard")
        assert (distance[train] > options.buffer_px).all()
        # And no ground is given up that lies further from all held-out blocks than a block's half.
        assert (kept[distance > options.size_px * 3 // 2 + options.buffer_px] == 1).all()
    else:
        assert (kept == 1).all()


@settings(max_examples=60, deadline=None)
@given(sides, sides, st.integers(16, 30))
def test_no_block_is_smaller_than_half_unless_the_tile_is(height: int, width: int, size: int) -> None:
    for block in plan_blocks("t", height, width, BlockOptions(size_px=size, eval=(0,))):
        for length, whole in ((block.window.height, height), (block.window.width, width)):
            assert length >= min(whole, size - size // 2)
            assert length < size + size / 2
        assert (block.window.row, block.window.col) == (block.row * size, block.col * size)


def test_a_checkerboard_alternates() -> None:
    options = BlockOptions(size_px=16, pattern="checkerboard", folds=2, eval=(1,))
    splits = [block.split for block in plan_blocks("t", 48, 48, options)]
    assert splits == ["train", "eval", "train", "eval", "train", "eval", "train", "eval", "train"]


def test_folds_are_dealt_evenly_within_a_tile() -> None:
    options = BlockOptions(size_px=16, folds=5, eval=(3,), test=(4,))
    splits = [block.split for block in plan_blocks("t", 160, 160, options)]
    assert [splits.count(split) for split in SPLITS] == [60, 20, 20]


def test_a_seed_deals_anew_and_the_same_seed_alike() -> None:
    def splits(seed: int, tile: str = "t") -> list[Split]:
        options = BlockOptions(size_px=16, folds=5, eval=(3,), seed=seed)
        return [block.split for block in plan_blocks(tile, 160, 160, options)]

    assert splits(1) == splits(1)
    assert splits(1) != splits(2)
    assert splits(1) != splits(1, "another tile")


def test_tiles_of_one_block_each_do_not_all_land_in_one_fold() -> None:
    options = BlockOptions(size_px=16, folds=3, eval=(1,), test=(2,))
    splits = [plan_blocks(f"tile {i}", 16, 16, options)[0].split for i in range(300)]
    assert all(70 < splits.count(split) < 130 for split in SPLITS)


def test_a_block_across_a_corner_costs_one_side_only() -> None:
    blocks = plan_blocks("t", 40, 60, BlockOptions(size_px=20, eval=(0,)))
    splits: dict[str, Split] = {block.name: "train" for block in blocks}
    splits["r0c0"] = "eval"
    areas = buffered(blocks, splits, 5)
    assert areas["r0c1"] == Window(0, 25, 20, 15)
    assert areas["r1c0"] == Window(25, 0, 15, 20)
    assert areas["r1c1"] in (Window(25, 20, 15, 20), Window(20, 25, 20, 15))
    assert areas["r1c2"] == Window(20, 40, 20, 20)


def test_between_two_corners_the_side_they_share_is_given_up() -> None:
    blocks = plan_blocks("t", 40, 60, BlockOptions(size_px=20, eval=(0,)))
    splits: dict[str, Split] = {block.name: "train" for block in blocks} | {"r1c0": "eval", "r1c2": "test"}
    # To retreat from left and right would do, too, and cost twice as much.
    assert buffered(blocks, splits, 5)["r0c1"] == Window(0, 20, 15, 20)


def test_a_block_that_is_all_buffer_is_left_out() -> None:
    blocks = plan_blocks("t", 16, 48, BlockOptions(size_px=16, eval=(0,)))
    areas = buffered(blocks, {"r0c0": "eval", "r0c1": "train", "r0c2": "test"}, 8)
    assert list(areas) == ["r0c0", "r0c2"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"eval": [5]}, "there is no fold 5: 5 folds are numbered 0 to 4"),
        ({"eval": [1], "test": [1]}, "a fold is given twice"),
        ({"folds": 2, "eval": [0], "test": [1]}, "no fold is left for train"),
        ({"eval": [1], "buffer_px": 33}, "more than half of size_px 64"),
    ],
)
def test_folds_that_do_not_fit_together_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        BlockOptions.model_validate({"size_px": 64, **changes})


@settings(max_examples=150, deadline=None)
@given(sides, sides, block_options(), st.integers(1, 30))
def test_what_passes_leaves_every_train_block_room_for_a_patch(
    height: int, width: int, options: BlockOptions, side: int
) -> None:
    """Unless the block was narrower than a patch from the beginning, as small tiles and rims may be."""
    blocks = plan_blocks("tile", height, width, options)
    areas = buffered(blocks, {block.name: block.split for block in blocks}, options.buffer_px)
    sources = [
        TileSource(tile=f"tile/{block.name}", image="i", split=block.split, area=areas[block.name])
        for block in blocks
        if block.name in areas
    ]
    narrowed = [
        block
        for block in blocks
        if block.name in areas
        and any(
            kept < side and kept < planned
            for kept, planned in (
                (areas[block.name].height, block.window.height),
                (areas[block.name].width, block.window.width),
            )
        )
    ]
    try:
        options.check_patch(side)
    except ValueError:
        assert options.size_px - 2 * options.buffer_px < side
        return
    if not narrowed:
        refuse_narrow(sources, options, side)
        return
    with pytest.raises(ConfigError) as refused:
        refuse_narrow(sources, options, side)
    assert all(f'"tile/{block.name}"' in refused.value.remedy for block in narrowed[:10])


@pytest.mark.parametrize(
    ("buffer_px", "side_px", "message"),
    [
        (0, 65, "no block of data.blocks.size_px 64 holds one; give size_px at least 65"),
        # 64 - 2 * 20 = 24 < 32; (64 - 32) // 2 = 16; 32 + 2 * 20 = 72
        (20, 32, "leaves 24 of the 64 pixels .* give buffer_px at most 16, size_px at least 72"),
    ],
)
def test_blocks_that_may_hold_no_patch_are_refused(buffer_px: int, side_px: int, message: str) -> None:
    options = BlockOptions(size_px=64, eval=(0,), buffer_px=buffer_px)
    options.check_patch(24)
    with pytest.raises(ValueError, match=message):
        options.check_patch(side_px)


def test_a_rim_that_the_buffer_makes_too_narrow_is_refused_by_name() -> None:
    # 100 = 64 + 36 pixels wide: the last block is what is left over, and 36 - 16 = 20.
    options = BlockOptions(size_px=64, eval=(0,), buffer_px=16)
    blocks = plan_blocks("big", 64, 100, options)
    areas = buffered(blocks, {"r0c0": "eval", "r0c1": "train"}, options.buffer_px)
    sources = [
        TileSource(tile=f"big/{name}", image="i", split="eval" if name == "r0c0" else "train", area=area)
        for name, area in areas.items()
    ]
    options.check_patch(32)
    with pytest.raises(ConfigError, match=r'buffer_px 16 leaves 64 x 20 pixels .* of block big/r0c1 (.|\n)*"big/r0c1"'):
        refuse_narrow(sources, options, 32)
    refuse_narrow(sources, options, 20)
