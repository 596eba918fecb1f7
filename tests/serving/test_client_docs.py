"""The snippets of docs/client.md are run as they stand there, but for address, patch size and pixels."""

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from PIL import Image

from serving.embedded.server import EmbeddedServer

PAGE = (Path(__file__).parents[2] / "docs" / "client.md").read_text(encoding="utf-8")
PATCHES = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)


def snippet(holding: str, language: str = "python") -> str:
    """The one code block of the page that holds a text."""
    (found,) = (block for block in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if holding in block)
    return str(found)


def adapted(code: str, **changes: str) -> str:
    for old, new in {"localhost:8500": changes.pop("address"), **changes}.items():
        assert old in code, f"docs/client.md no longer has {old}"
        code = code.replace(old, new)
    return code


def test_the_client_without_eoseg_is_short_and_right(server: EmbeddedServer) -> None:
    code = snippet("prediction_service_pb2_grpc.PredictionServiceStub")
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) <= 15
    assert {line.split()[1].partition(".")[0] for line in lines if re.match("import|from", line)} == {
        "grpc",
        "numpy",
        "tensorflow",
        "tensorflow_serving",
    }
    zeros = "np.zeros((4, 128, 128, 3), np.uint8)"
    names = {"given": PATCHES}
    exec(adapted(code, address=server.address, **{zeros: "given"}), names)
    np.testing.assert_array_equal(names["class_ids"], PATCHES.argmax(-1))  # class k scores what band k holds


def test_the_blocking_client(server: EmbeddedServer) -> None:
    names = {"patches": PATCHES}
    exec(adapted(snippet("import SegmentationClient"), address=server.address), names)
    np.testing.assert_array_equal(names["scores"], PATCHES)
    np.testing.assert_array_equal(names["class_ids"], PATCHES.argmax(-1))


def test_the_asyncio_client(server: EmbeddedServer) -> None:
    code = adapted(snippet("import AsyncSegmentationClient"), address=server.address)
    imports, _, body = code.partition("\n\n")
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    names = {"patches": PATCHES}
    exec(f"{imports}\nasync def ask():\n{indented}\n    return class_ids", names)
    np.testing.assert_array_equal(asyncio.run(names["ask"]()), PATCHES.argmax(-1))  # type: ignore[operator]


def test_the_options(tmp_path: Path) -> None:
    pytest.importorskip("cryptography.x509", reason="cryptography makes the certificates")
    from tests.serving.certificates import write_identity

    write_identity(tmp_path, "ca")
    (tmp_path / "token").write_text("secret")
    code = snippet("options = ClientOptions(").replace('"ca.crt"', f'"{tmp_path}/ca.crt"')
    code = code.replace('"token"', f'"{tmp_path}/token"')
    names: dict[str, object] = {}
    exec(f"from serving.client import SegmentationClient\n{code}\nclient.close()", names)


def write_protoset(folder: Path) -> Path:
    path = folder / "serving.protoset"
    exec(snippet("FileDescriptorSet").replace('"serving.protoset"', f'"{path}"'), {})
    return path


def test_the_protoset_is_complete(tmp_path: Path) -> None:
    types = descriptor_pb2.FileDescriptorSet.FromString(write_protoset(tmp_path).read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in types.file:  # fails where a file comes before one that it needs
        pool.Add(file)
    for service in ("PredictionService", "ModelService"):
        assert pool.FindServiceByName(f"tensorflow.serving.{service}").methods


@pytest.mark.skipif(not shutil.which("grpcurl"), reason="grpcurl is not on the PATH")
def test_grpcurl(server: EmbeddedServer, tmp_path: Path) -> None:
    write_protoset(tmp_path)
    code = adapted(snippet("grpcurl", "sh"), address=server.address, **{"SIZE=128": "SIZE=16"})
    done = subprocess.run(["bash", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    decoder, answers, text = json.JSONDecoder(), [], done.stdout
    while text.strip():
        answer, end = decoder.raw_decode(text.strip())
        answers.append(answer)
        text = text.strip()[end:]
    status, contract = answers
    assert status["model_version_status"][0]["state"] == "AVAILABLE"
    assert contract["patch_size"] == 16
    with Image.open(tmp_path / "patch.png") as image:
        assert image.size == (16, 16)
        assert not np.asarray(image).any()  # all scores are 0: the first class
