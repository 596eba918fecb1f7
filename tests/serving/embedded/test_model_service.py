"""GetModelMetadata, ModelService and health over real gRPC."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tensorflow_serving.apis import get_model_metadata_pb2, model_management_pb2

from serving.embedded.server import EmbeddedServer
from serving.wire_messages import HEALTH_STATUS, message_class
from tests.serving.embedded.wire import SECONDS, Wire, failure_of, status_request, wait_until


def metadata(wire: Wire, *fields: str) -> Any:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = "m"
    return wire.prediction.GetModelMetadata(request, SECONDS)


def test_metadata_holds_all_signatures(wire: Wire) -> None:
    answer = metadata(wire, "signature_def")
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def) >= {"serving_default", "regress", "classify"}
    assert (answer.model_spec.version.value, answer.model_spec.signature_name) == (2, "")


def test_metadata_fails_as_the_stock_server_does(wire: Wire) -> None:
    assert failure_of(lambda: metadata(wire)) == (
        "INVALID_ARGUMENT",
        "GetModelMetadataRequest must specify at least one metadata_field",
    )
    assert failure_of(lambda: metadata(wire, "foo")) == ("INVALID_ARGUMENT", "Metadata field foo is not supported")


def test_status_lists_versions_from_the_highest(wire: Wire) -> None:
    entries = wire.model.GetModelStatus(status_request("m"), SECONDS).model_version_status
    assert [(entry.version, entry.state, entry.status.error_code) for entry in entries] == [(2, 30, 0), (1, 30, 0)]
    (one,) = wire.model.GetModelStatus(status_request("m", 1), SECONDS).model_version_status
    assert one.version == 1


def test_status_fails_as_the_stock_server_does(wire: Wire) -> None:
    assert failure_of(lambda: wire.model.GetModelStatus(status_request("q"), SECONDS)) == (
        "NOT_FOUND",
        "Could not find any versions of model q",
    )
    assert failure_of(lambda: wire.model.GetModelStatus(status_request("m", 3), SECONDS)) == (
        "NOT_FOUND",
        "Could not find version 3 of model m",
    )


def test_health_is_served(wire: Wire) -> None:
    request, response = (message_class(f"grpc.health.v1.HealthCheck{kind}") for kind in ("Request", "Response"))
    check = wire.channel.unary_unary("/grpc.health.v1.Health/Check", request.SerializeToString, response.FromString)
    for name in ("", "PredictionService", "ModelService"):
        assert check(request(service=name), timeout=SECONDS).status == HEALTH_STATUS["SERVING"]
    assert failure_of(lambda: check(request(service="nobody"), timeout=SECONDS))[0] == "NOT_FOUND"


def reload_request(*models: tuple[str, Path], labels: dict[str, int] | None = None) -> Any:
    request = model_management_pb2.ReloadConfigRequest()
    for name, base_path in models:
        entry = request.config.model_config_list.config.add(name=name, base_path=str(base_path))
        entry.model_platform = "tensorflow"
        entry.version_labels.update(labels or {})
    return request


def test_a_reload_serves_what_it_lists_and_moves_labels(base: Path, start: Callable[..., EmbeddedServer]) -> None:
    server = start(base, model_name="m", file_system_poll_wait_seconds=0.05)
    wire = Wire(server.address)

    def reload(*models: tuple[str, Path], labels: dict[str, int] | None = None) -> tuple[int, str]:
        status = wire.model.HandleReloadConfigRequest(reload_request(*models, labels=labels), SECONDS).status
        return status.error_code, status.error_message

    assert reload(("m", base), ("other", base)) == (0, "")
    assert list(wire.predict(name="other", outputs=["y"]).outputs["y"].float_val) == [3]
    assert reload(("m", base), ("m", base))[0] == 3
    assert reload(("m", Path("relative")))[0] == 3
    code, text = reload(("m", base), labels={"canary": 9})
    assert (code, text) == (
        9,
        "Request to assign label to version 9 of model m, which is not currently available for inference",
    )
    assert reload(("m", base), labels={"canary": 2}) == (0, "")
    assert wire.predict(label="canary").model_spec.version.value == 2
    assert reload(("other", base)) == (0, "")
    wait_until(lambda: wire.states("m") == {1: "END", 2: "END"} or wire.states("m") == {2: "END"})
    assert failure_of(wire.predict) == ("NOT_FOUND", "Servable not found for request: Latest(m)")
    wire.channel.close()
    server.stop()
