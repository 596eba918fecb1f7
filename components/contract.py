"""What a pushed version promises on the wire: signatures, tensor names, and the contract that describes the model.

The exporter writes by these names and the client reads by them; they stand nowhere else.

- Input: the sensor's own numbers, `image` `[batch, height, width, bands]` in the records' dtype. Normalisation and
  arg-max are inside the graph.
- Outputs, each with the batch as first dimension and chosen by `output_filter`:
  class ids and scores as numbers, and the same as one byte string a patch. The stock server sends numeric outputs
  value by value, which costs a Python client many times more to read than a byte string.
"""

from pydantic import Field

from components.records.record_format import RecordFormat

SERVING_SIGNATURE = "serving_default"
"""`image` in; every output below out."""

IMAGE = "image"
CLASS_IDS = "class_ids"
"""`[batch, height, width]` uint8, 0 to K - 1."""
SCORES = "scores"
"""`[batch, height, width, K]` uint8: the soft-max probability times 255, rounded."""
CLASS_IDS_BYTES = "class_ids_bytes"
"""`[batch]` string: each patch's class ids as a one-channel PNG."""
SCORES_BYTES = "scores_bytes"
"""`[batch]` string: each patch's scores as the raw bytes of a C-ordered uint8 array `(height, width, K)`."""

EXAMPLES_SIGNATURE = "serve_examples"
"""`examples` (serialised `tf.train.Example` records) in; `class_ids` and `class_ids_bytes` out. For bulk inference."""
EVALUATE_SIGNATURE = "evaluate"
"""`examples` in; `confusion` and `eroded_confusion` out. For the evaluator."""
EXAMPLES = "examples"
CONFUSION = "confusion"
"""`[batch, K * K]` float32: each patch's confusion matrix, flattened; rows are truth, columns prediction."""
ERODED_CONFUSION = "eroded_confusion"
"""The same without the pixels at class boundaries: those of the data set's own eroded truth where the records have one,
else those that have another class within 3 pixels of the tile (`3 // downsample` of the patch)."""

DESCRIBE_SIGNATURE = "describe"
"""`query` (any string, `[batch]`) in; `contract` (`[batch]`, this module's `ModelContract` as JSON) out, so that a
client with nothing but an address learns classes, colours and patch size."""
QUERY = "query"
CONTRACT = "contract"

CONTRACT_FILE = "eoseg_contract.json"
"""The same JSON in the version's `assets.extra`, for people and for tools that have the files."""


class ModelContract(RecordFormat):
    """What a client must know to send patches to a model and to read its answers: the format of the records that the
    model was trained on, patch by patch and band by band."""

    provenance: dict[str, str] = Field(default_factory=dict)
    """What the model was made of, for its maps' tags: `config_hash`, `data_fingerprint`. Nothing depends on it."""
