"""A wrong file of zones is refused by name, before anything is computed."""

import json
from pathlib import Path

import pytest
from shapely.geometry import LineString, box, mapping
from shapely.geometry.base import BaseGeometry

from components.errors import ConfigError
from components.evaluation.check_zones import check_zones
from components.geo.zones import ZoneOptions


def write(path: Path, geometry: BaseGeometry) -> Path:
    feature = {"type": "Feature", "properties": {"parcel": "A"}, "geometry": mapping(geometry)}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path


def test_wrong_zones_are_told_with_their_own_keys(tmp_path: Path) -> None:
    file = write(tmp_path / "zones.json", box(7, 51, 7.1, 51.1))
    check_zones(ZoneOptions(file=str(file), attribute="parcel"))
    with pytest.raises(ConfigError, match=r"no attribute 'plot' \(evaluation\.zones\.attribute\)[^$]*parcel"):
        check_zones(ZoneOptions(file=str(file), attribute="plot"))
    with pytest.raises(ConfigError, match=r"evaluation\.zones\.layer"):
        check_zones(ZoneOptions(file=str(file), attribute="parcel", layer="nowhere"))
    with pytest.raises(ConfigError, match=r"does not exist[^$]*evaluation\.zones\.file"):
        check_zones(ZoneOptions(file=str(tmp_path / "none.json"), attribute="parcel"))
    line = write(tmp_path / "line.json", LineString([(7, 51), (8, 52)]))
    with pytest.raises(ConfigError, match="holds no polygon"):
        check_zones(ZoneOptions(file=str(line), attribute="parcel"))
