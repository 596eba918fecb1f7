"""Options that change how models run and which signatures a call accepts."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tensorflow_serving.apis import regression_pb2

from serving.embedded.server import EmbeddedServer
from tests.serving.embedded.make_models import save_half_plus
from tests.serving.embedded.wire import SECONDS, Wire, failure_of


def test_a_session_config_file_and_method_names_are_honoured(
    tmp_path: Path, start: Callable[..., EmbeddedServer]
) -> None:
    save_half_plus(tmp_path / "m" / "1", 1.0)
    config = tmp_path / "session.config"
    config.write_text("intra_op_parallelism_threads: 1")
    server = start(
        tmp_path / "m",
        model_name="m",
        tensorflow_session_config_file=str(config),
        enable_signature_method_name_check=True,
    )
    wire = Wire(server.address)
    assert list(wire.predict(outputs=["y"]).outputs["y"].float_val) == [2.0]
    assert failure_of(lambda: wire.predict(signature="two_inputs")) == (
        "INTERNAL",
        "Expected prediction signature method_name to be one of {tensorflow/serving/predict, "
        "tensorflow/serving/classify, tensorflow/serving/regress}. Was: any",
    )
    request = regression_pb2.RegressionRequest()
    request.model_spec.name, request.model_spec.signature_name = "m", "classify"
    assert failure_of(lambda: wire.prediction.Regress(request, SECONDS)) == (
        "INVALID_ARGUMENT",
        "Expected regression signature method_name to be tensorflow/serving/regress. Was: tensorflow/serving/classify",
    )
    server.stop()
    config.write_text("nonsense")
    with pytest.raises(RuntimeError, match=r"INVALID_ARGUMENT: Invalid protobuf file: '.*session\.config'"):
        start(tmp_path / "m", tensorflow_session_config_file=str(config))
