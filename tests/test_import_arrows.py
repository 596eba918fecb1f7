"""Dependencies only along the arrows: kubeflow -> tfx_pipeline -> (serving ->) components."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(
    path for top in ("components", "serving", "tfx_pipeline", "kubeflow") for path in (ROOT / top).rglob("*.py")
)

MAY_IMPORT = {
    "components": {"components"},
    "serving": {"serving", "components"},
    "tfx_pipeline": {"tfx_pipeline", "serving", "components"},
    "kubeflow": {"tfx_pipeline", "serving", "components"},
}
HEAVY = {"tensorflow", "tfx", "apache_beam", "keras"}
NETWORKS = ("segnet", "unet", "fcn", "pspnet", "deeplab", "encoders")


def imported(path: Path) -> set[str]:
    """Full names of the modules a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module}
    return names


def tops(path: Path) -> set[str]:
    # The folder kubeflow/ is installed as eoseg_kubeflow; `kubeflow` itself is other people's.
    return {name.partition(".")[0].replace("eoseg_kubeflow", "kubeflow") for name in imported(path)}


def ids(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_a_module_imports_only_along_the_arrows(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0]
    ours = tops(path) & set(MAY_IMPORT)
    assert ours <= MAY_IMPORT[own]


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_frameworks_are_imported_only_where_they_belong(path: Path) -> None:
    place, found = path.relative_to(ROOT), tops(path)
    if place.parts[0] in ("tfx_pipeline", "kubeflow"):
        return  # the wiring
    if path.name not in ("component.py", "run_fn.py"):
        assert "tfx" not in found, "only component.py and run_fn.py import tfx"
    if path.name not in ("component.py", "transforms.py", "tfma_metrics.py"):
        assert "apache_beam" not in found, "only transforms.py (and a component that starts the pipeline) import Beam"
    if place.parts[:2] in (("components", "geo"), ("components", "mapping")):
        assert not found & HEAVY
    if place.parts[:2] == ("components", "segnet"):
        assert not found & (HEAVY - {"keras"})


@pytest.mark.parametrize("path", [p for p in SOURCES if p.name == "component.py"], ids=ids)
def test_a_component_keeps_its_raw_annotations(path: Path) -> None:
    assert "from __future__ import annotations" not in path.read_text(encoding="utf-8")


def test_kubeflow_is_no_package() -> None:
    assert not (ROOT / "kubeflow" / "__init__.py").exists()


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_a_module_is_one_idea_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
