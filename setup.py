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

setup(
    name="eoseg",
    version="0.1.0",
    description="Production TFX pipeline for semantic segmentation of Earth-observation imagery",
    long_description=Path("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.12",
    packages=find_packages(
        include=["components", "components.*", "serving", "serving.*", "tfx_pipeline", "tfx_pipeline.*"]
    ),
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
        ]
    },
)
