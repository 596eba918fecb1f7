"""VersionPusher publishes what both blessings allow, and nothing else."""

from pathlib import Path

import pytest
from tfx import v1 as tfx

from components.publishing.component import VersionPusher
from components.publishing.versions import VERSION_FILES, version_numbers
from tests.components.publishing.test_versions import make_saved_model

ARTIFACTS = tfx.types.standard_artifacts


def push(folder: Path, blessed: int, served_well: int) -> object:
    make_saved_model(folder / "model" / "Format-Serving")
    (folder / "infra" / VERSION_FILES / "assets.extra").mkdir(parents=True)
    (folder / "infra" / VERSION_FILES / "assets.extra" / "warm").touch()
    model, blessing, infra, pushed = (
        kind() for kind in (ARTIFACTS.Model, ARTIFACTS.ModelBlessing, ARTIFACTS.InfraBlessing, ARTIFACTS.PushedModel)
    )
    model.uri, infra.uri, pushed.uri = str(folder / "model"), str(folder / "infra"), str(folder / "pushed")
    blessing.set_int_custom_property("blessed", blessed)
    infra.set_int_custom_property("blessed", served_well)
    VersionPusher.test_call(
        model=model,
        model_blessing=blessing,
        infra_blessing=infra,
        pushed_model=pushed,
        model_base=str(folder / "served"),
        model_name="net",
        provenance={"data_fingerprint": "f"},
    )
    return pushed


def test_a_model_with_both_blessings_is_pushed_with_its_warm_up_requests(tmp_path: Path) -> None:
    pushed = push(tmp_path, 1, 1)
    (number,) = version_numbers(tmp_path / "served" / "net")
    assert pushed.get_string_custom_property("pushed_version") == str(number)  # type: ignore[attr-defined]
    assert (tmp_path / "served" / "net" / str(number) / "assets.extra" / "warm").exists()


@pytest.mark.parametrize(("blessed", "served_well"), [(0, 1), (1, 0), (0, 0)])
def test_a_model_without_both_blessings_is_not_pushed(blessed: int, served_well: int, tmp_path: Path) -> None:
    pushed = push(tmp_path, blessed, served_well)
    assert pushed.get_int_custom_property("pushed") == 0  # type: ignore[attr-defined]
    assert not (tmp_path / "served").exists()
    assert (tmp_path / "pushed" / "NOT_PUSHED").is_file(), "an object store would not keep an empty artifact"
