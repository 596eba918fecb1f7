"""Writes the model server's config files of the manifests and of docker-compose.yml, with EOSeg's own writers.

Use, after a change of `serving/` or of the settings below:

    python kubeflow/manifests/write_configs.py
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from serving.batching import BatchingOptions
from serving.deploy.deployment import BATCHING_FILE, Deployment, config_texts
from serving.deploy.server_configs import MonitoringOptions
from serving.served_model import ServedModel

HERE = Path(__file__).resolve().parent

CPU = Deployment(
    models=(ServedModel(name="eoseg", base_path="/models/eoseg"),),
    monitoring=MonitoringOptions(enable=True),
    rest_port=8501,
    # A label that is moved in the ConfigMap takes effect without a restart.
    models_poll_seconds=30,
)
"""As `eoseg serve --write-config` writes it for the stock image; the batching that suits processors."""

# On a GPU each batch size is prepared once, and threads, which only hand batches over, are as many as processors.
GPU = CPU.model_copy(
    update={"batching": BatchingOptions(allowed_batch_sizes=(1, 2, 4, 8, 16, 32), num_batch_threads=8)}
)
"""The same for one GPU and eight processors."""


def files() -> Mapping[Path, str]:
    """All files: path -> text. The overlay for GPUs replaces only the batching."""
    return {
        **{HERE / "foundation" / "config" / name: text for name, text in config_texts(CPU).items()},
        HERE / "overlays" / "gpu" / BATCHING_FILE: config_texts(GPU)[BATCHING_FILE],
    }


def main() -> int:
    """Writes them."""
    for path, text in files().items():
        part = path.with_name(f".{path.name}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
