"""What a container image has, without a container: an environment of its own with the built package, not the checkout.

The locked packages are those of the environment that runs the tests; EOSeg is installed from a wheel built anew. A
`.pth` line adds the packages' folder without the editable installation that lies in it.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("components", "serving", "tfx_pipeline", "kubeflow", "setup.py", "pyproject.toml", "README.md", "LICENSE")


def build_wheel(folder: Path) -> Path:
    """Builds EOSeg's wheel from a copy of the sources, so that nothing is left in the checkout."""
    sources, wheels = folder / "sources", folder / "wheels"
    sources.mkdir(parents=True)
    wheels.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, sources / name)
    script = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", script, str(wheels)], cwd=sources, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = wheels.glob("eoseg-*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> dict[str, str]:
    """Makes the environment.

    Returns:
        The variables of a process in it: its `python` comes first, and nothing of the checkout is on any path.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    packages = folder / "lib" / version / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    (packages / "locked_packages.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n")
    home = folder / "home"
    home.mkdir()
    return {
        "PATH": f"{folder / 'bin'}:/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONWARNINGS": "ignore",
    }
