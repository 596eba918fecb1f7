"""What several tests of the compiled pipeline share: compiling takes TFX's imports, so it is done once."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kubeflow.tiny_data_set import tiny_config, write_tiles

FULL = {
    "image": "registry.example/eoseg:7",
    "pipeline_root": "s3://bucket/pipelines",
    "data_root": "s3://bucket/tiles",
    "volumes": [{"claim": "eoseg-work", "mount_path": "/mnt/eoseg"}],
    "secrets": [{"name": "s3-key", "keys": {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}}],
    "environment": {"AWS_REGION": "eu-central-1"},
    "resources": {
        "every": {"cpu": "1", "memory": "4Gi"},
        "Trainer": {"cpu": "500m", "memory": "16Gi", "memory_limit": "16Gi"},
    },
    "gpu": {"count": 2, "node_selector": {"gpu.example/model": "h200"}},
    "image_pull_secret": "registry",
}


@pytest.fixture(scope="session")
def compiled_documents(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The tiny pipeline with everything asked for that can be asked for."""
    from eoseg_kubeflow.compile_pipeline import compiled

    from tfx_pipeline.load_config import load_config

    folder: Path = tmp_path_factory.mktemp("compiled")
    write_tiles(folder)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(tiny_config(folder, **FULL)))
    config = load_config(str(folder / "tiny.yaml"), ["maps.augment=flips"], workdir=str(folder / "work"))
    return compiled(config)
