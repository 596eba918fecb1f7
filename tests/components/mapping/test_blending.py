import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.mapping.blending import RowBlender
from components.mapping.patch_axis import BLENDS, patch_axis, reflected


@given(
    st.integers(1, 70),
    st.integers(1, 50),
    st.integers(2, 24),
    st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75]),
    st.sampled_from(BLENDS),
    st.integers(0, 2**31),
    st.data(),
)
def test_patches_cut_from_an_image_blend_back_to_it(
    height: int, width: int, size: int, overlap: float, blend: str, seed: int, data: st.DataObject
) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 2), np.uint8)
    rows, cols = patch_axis(height, size, overlap, blend), patch_axis(width, size, overlap, blend)
    first_row = data.draw(st.integers(0, height - 1))
    blender = RowBlender(rows, cols, 2, first_row)
    strips = []
    starts = [row for row in rows.starts if row + size > first_row]
    for row, following in zip(starts, [*starts[1:], None], strict=True):
        for col in cols.starts:
            lines, columns = reflected(row, row + size, height), reflected(col, col + size, width)
            blender.add(row, col, image[lines][:, columns])
        strips.extend(sums.scores / sums.weights for sums in blender.finish(following))
    np.testing.assert_allclose(np.concatenate(strips, axis=1), image[first_row:].transpose(2, 0, 1), atol=0.01)


def test_a_patch_that_is_added_several_times_counts_by_its_mean() -> None:
    axis = patch_axis(4, 4, 0, "hann")
    blender = RowBlender(axis, axis, 1, times=2)
    blender.add(0, 0, np.full((4, 4, 1), 10, np.uint8))
    blender.add(0, 0, np.full((4, 4, 1), 20, np.uint8))
    (mean,) = (sums.scores / sums.weights for sums in blender.finish(None))
    np.testing.assert_allclose(mean, 15, rtol=1e-6)
