"""Zones are measured, not trained on: their file has a fingerprint of its own."""

import json
from pathlib import Path

import yaml
from shapely.geometry import box, mapping

from tests.whole_flow.test_whole_flow import Job
from tfx_pipeline.data_set import DataSet, find_data_set, places_of
from tfx_pipeline.load_config import load_config


def find(job: Job, zones: bool) -> DataSet:
    config = yaml.safe_load((job.folder / "tiny.yaml").read_text())
    config["evaluation"] = {"zones": {"file": "zones.json", "attribute": "parcel"}} if zones else {}
    (job.folder / "asked.yaml").write_text(yaml.safe_dump(config))
    loaded = load_config(str(job.folder / "asked.yaml")).model_copy(update={"workdir": str(job.workdir)})
    return find_data_set(loaded, places_of(loaded))


def test_other_zones_are_other_areas_and_the_same_records(tmp_path: Path) -> None:
    job, found = Job(tmp_path), []
    for side in (10, 20):
        feature = {"type": "Feature", "properties": {"parcel": "A"}, "geometry": mapping(box(0, 0, side, side))}
        (tmp_path / "zones.json").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
        found.append(find(job, zones=True))
    assert "a image.tif" in (job.workdir / "fingerprints.json").read_text(), "the tiles' digests are still remembered"
    without = find(job, zones=False)
    assert without.fingerprint == found[0].fingerprint == found[1].fingerprint
    assert len({without.zones_fingerprint, found[0].zones_fingerprint, found[1].zones_fingerprint}) == 3
    assert without.zones_fingerprint == ""
