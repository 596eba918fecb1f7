"""Which code and packages a version is made of."""

import re
from pathlib import Path

from components.publishing import code_revision


def test_a_checkout_is_named_by_its_commit_and_an_installed_package_by_its_version() -> None:
    revision = code_revision.code_revision()
    if (Path(__file__).resolve().parents[3] / ".git").exists():
        assert revision.kind == "git"
        assert re.fullmatch("[0-9a-f]{40}", revision.revision)
    else:
        assert revision.kind == "eoseg"
        assert re.match(r"\d+\.\d+", revision.revision)


def test_every_package_that_decides_the_result_is_named() -> None:
    versions = code_revision.package_versions()
    assert set(versions) == set(code_revision.PACKAGES)
    assert all(re.match(r"\d+\.\d+", version) for version in versions.values())
