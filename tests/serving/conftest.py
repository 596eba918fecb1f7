"""Models small enough to reason about, exported as EOSeg's contract says, and servers for them."""

import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # TensorFlow's own imports
    import tensorflow as tf

from components import contract
from components.classes import ClassTable, LandClass
from components.contract import ModelContract
from serving.batching import BatchingOptions
from serving.client import ClientOptions, SegmentationClient
from serving.embedded.options import ServerOptions
from serving.embedded.server import EmbeddedServer

# A shared machine stops for longer than Hypothesis' 200 ms whenever it likes.
settings.register_profile("eoseg", deadline=None)
settings.load_profile("eoseg")

PATCH = 16
TABLE = ClassTable(
    classes=(
        LandClass(name="water", color=(0, 0, 255)),
        LandClass(name="forest", color=(0, 128, 0)),
        LandClass(name="roof", color=(255, 0, 0)),
    )
)


class BandScores(tf.Module):
    """Class k scores what band k holds, blurred over `reach` pixels to each side: a network one can do in the head.

    `bias` is added to the scores, so that versions can be told apart.
    """

    def __init__(self, model_contract: ModelContract, reach: int, bias: int) -> None:
        super().__init__()
        self.contract = model_contract
        self.reach = reach
        self.bias = bias

    def scores(self, image: Any) -> Any:
        values = tf.cast(image, tf.float32)
        if self.reach:
            values = tf.nn.avg_pool2d(values, 2 * self.reach + 1, 1, "SAME")
        return tf.cast(tf.clip_by_value(tf.round(values) + self.bias, 0, 255), tf.uint8)


def export_model(folder: Path, model_contract: ModelContract, reach: int = 0, bias: int = 0) -> Path:
    """Exports a `BandScores` with all signatures of the contract that the client uses."""
    module = BandScores(model_contract, reach, bias)
    size, bands = model_contract.patch_size, len(model_contract.bands)

    image_spec = tf.TensorSpec([None, size, size, bands], model_contract.dtype, name=contract.IMAGE)

    @tf.function(input_signature=[image_spec], autograph=False)
    def serve(image: Any) -> dict[str, Any]:
        scores = module.scores(image)
        class_ids = tf.cast(tf.argmax(scores, -1), tf.uint8)
        every_byte = tf.constant([bytes([value]) for value in range(256)])
        characters = tf.gather(every_byte, tf.cast(tf.reshape(scores, [-1, size * size * bands]), tf.int32))
        return {
            contract.CLASS_IDS: class_ids,
            contract.SCORES: scores,
            contract.CLASS_IDS_BYTES: tf.map_fn(
                lambda ids: tf.io.encode_png(ids[..., None]), class_ids, fn_output_signature=tf.string
            ),
            contract.SCORES_BYTES: tf.strings.reduce_join(characters, axis=-1),
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=contract.QUERY)], autograph=False)
    def describe(query: Any) -> dict[str, Any]:
        return {contract.CONTRACT: tf.fill(tf.shape(query), model_contract.model_dump_json())}

    module.serve, module.describe = serve, describe
    folder.parent.mkdir(parents=True, exist_ok=True)
    tf.saved_model.save(
        module, str(folder), signatures={contract.SERVING_SIGNATURE: serve, contract.DESCRIBE_SIGNATURE: describe}
    )
    return folder


def contract_of(patch_size: int = PATCH, downsample: int = 1, dtype: str = "uint8") -> ModelContract:
    return ModelContract(
        patch_size=patch_size, bands=("blue", "green", "red"), dtype=dtype, downsample=downsample, table=TABLE
    )


@pytest.fixture(scope="session")
def table() -> ClassTable:
    return TABLE


@pytest.fixture(scope="session")
def export() -> Callable[..., Path]:
    """Exports a model into a version folder: `export(folder, reach=0, bias=0, patch_size=16, downsample=1)`."""

    def make(folder: Path, reach: int = 0, bias: int = 0, **options: Any) -> Path:
        return export_model(folder, contract_of(**options), reach, bias)

    return make


@pytest.fixture(scope="session")
def model_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder with version 1: class k scores what band k holds."""
    base = tmp_path_factory.mktemp("models") / "eoseg"
    export_model(base / "1", contract_of())
    return base


@pytest.fixture(scope="session")
def start() -> Callable[..., EmbeddedServer]:
    """Starts an embedded server on a free port; give it `model_base_path` and what else differs."""

    def make(base: Path, **options: Any) -> EmbeddedServer:
        options = {"model_name": "eoseg", "port": 0, "max_num_load_retries": 0, "drain_seconds": 5.0, **options}
        server = EmbeddedServer(ServerOptions(model_base_path=str(base), **options))
        server.start(timeout=60)
        return server

    return make


@pytest.fixture(scope="session")
def server(model_base: Path, start: Callable[..., EmbeddedServer]) -> Iterator[EmbeddedServer]:
    """A server with batching, for tests that change nothing on it."""
    with_batching = start(model_base, batching=BatchingOptions(max_batch_size=8))
    yield with_batching
    with_batching.stop()


@pytest.fixture
def client(server: EmbeddedServer) -> Iterator[SegmentationClient]:
    with SegmentationClient(server.address, options=ClientOptions(patches_per_request=3)) as connected:
        yield connected


@pytest.fixture
def write_tile(tmp_path: Path) -> Callable[..., Path]:
    """Writes pixels `(height, width, bands)` as a GeoTIFF in UTM 40N at half a metre."""

    def write(pixels: Any, name: str = "tile.tif", **profile: Any) -> Path:
        path = tmp_path / name
        height, width, bands = pixels.shape
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=height,
            width=width,
            count=bands,
            dtype=pixels.dtype,
            crs="EPSG:32640",
            transform=Affine(0.5, 0, 300000, 0, -0.5, 2000000),
            **profile,
        ) as dataset:
            dataset.write(np.moveaxis(pixels, -1, 0))
        return path

    return write
