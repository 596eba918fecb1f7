"""What is measured does not depend on how the tile is packed, or cut into strips."""

from pathlib import Path

import pytest

from components.geo.window import Window
from components.label_validation import measure_tile, sampling
from components.label_validation.facts import TileFacts
from tests.components.label_validation.scenes import SIDE, Scenes, patchwork, photo


@pytest.mark.parametrize("rows", [1, 37, 100])
def test_facts_do_not_depend_on_the_strips(rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "SAMPLED_ROWS", 50)
    monkeypatch.setattr(sampling, "SAMPLED_COLS", 70)
    scenes = Scenes(tmp_path)
    scenes.sources = scenes.sources[:1]
    scenes.change(0, area=Window(13, 5, 270, 280))
    (whole,) = scenes.facts()
    monkeypatch.setattr(measure_tile, "STRIP_BYTES", 280 * 3 * rows)
    (cut,) = scenes.facts()
    assert cut.image_digest == whole.image_digest
    assert cut.label_digest == whole.label_digest
    assert cut.tally == whole.tally
    assert cut.shift == whole.shift
    assert cut.image_thumbnail == whole.image_thumbnail
    assert cut.label_thumbnail == whole.label_thumbnail
    for a, b in zip(cut.bands, whole.bands, strict=True):
        assert a.model_dump(exclude={"rasters"}) == pytest.approx(b.model_dump(exclude={"rasters"}))
    for a, b in zip(cut.classes, whole.classes, strict=True):
        assert a is not None
        assert b is not None
        assert (a.pixels, a.mean, a.stddev) == (b.pixels, pytest.approx(b.mean), pytest.approx(b.stddev))


def test_the_sample_of_a_large_tile_takes_every_kth_pixel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "SAMPLED_ROWS", SIDE // 4)
    monkeypatch.setattr(sampling, "SAMPLED_COLS", SIDE // 3)
    scenes = Scenes(tmp_path)
    scenes.sources = scenes.sources[:1]
    (facts,) = scenes.facts()
    sample = photo(patchwork(0), 0)[::4, ::3]
    assert facts.bands[1].pixels == sample[..., 1].size
    assert facts.bands[1].mean == pytest.approx(sample[..., 1].mean())


def test_facts_survive_as_json(tmp_path: Path) -> None:
    for facts in Scenes(tmp_path).facts():
        assert TileFacts.model_validate_json(facts.model_dump_json()) == facts
