"""The manifests' server, started as they say: its probes, its metrics, and the dashboard over them.

EOSeg's embedded server stands for the stock one, whose flags, services and metrics it has.
"""

import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml

from serving.deploy.start_server import free_port
from serving.wire_messages import HEALTH_STATUS, message_class
from tests.kubeflow.build_manifests import MANIFESTS, ROOT, build, the
from tests.serving.embedded.make_models import save_half_plus
from tests.serving.embedded.program import Program

MONITORING = ROOT / "kubeflow" / "monitoring"
METRIC = re.compile(r":tensorflow:[a-z_:]+")
PIECES = ("_bucket", "_sum", "_count")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def container() -> Any:
    (found,) = the(build("overlays/cpu"), "Deployment")["spec"]["template"]["spec"]["containers"]
    return found


@pytest.fixture(scope="module")
def program(container: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The Deployment's command line, with this machine's folders in place of the container's."""
    folder = tmp_path_factory.mktemp("served")
    save_half_plus(folder / "models" / "eoseg" / "1", 2.0)
    config = folder / "config"
    config.mkdir()
    for path in (MANIFESTS / "foundation" / "config").iterdir():
        text = path.read_text().replace('"/models/', f'"{folder}/models/')
        (config / path.name).write_text(text)
    flags = " ".join(container["args"]).replace("=/config/", f"={config}/")
    served = Program(flags, folder)
    try:
        yield served.wait_until_ready()
    finally:
        served.stop()


def ask(program: Program, times: int = 3) -> None:
    body = json.dumps({"instances": [{"x": [1.0]}, {"x": [2.0]}]}).encode()
    for _ in range(times):
        request = urllib.request.Request(f"{program.url}/v1/models/eoseg:predict", data=body)
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert [one["y"] for one in json.load(answer)["predictions"]] == [[2.5], [3.0]]


def test_the_grpc_probes_get_the_answer_that_the_kubelet_wants(program: Program, container: Any) -> None:
    assert container["startupProbe"]["grpc"] == container["livenessProbe"]["grpc"] == {"port": 8500}
    request = message_class("grpc.health.v1.HealthCheckRequest")
    response = message_class("grpc.health.v1.HealthCheckResponse")
    with grpc.insecure_channel(f"localhost:{program.port}") as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check", request.SerializeToString, response.FromString)
        # A kubelet names no service unless the probe does.
        assert check(request(), timeout=30).status == HEALTH_STATUS["SERVING"]


def test_the_readiness_probe_is_good_for_this_model_only(program: Program, container: Any) -> None:
    path = container["readinessProbe"]["httpGet"]["path"]
    with urllib.request.urlopen(program.url + path, timeout=30) as answer:
        assert answer.status == 200
        assert json.load(answer)["model_version_status"][0]["state"] == "AVAILABLE"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{program.url}{path}s", timeout=30)


def test_composes_health_check_needs_only_bash(program: Program) -> None:
    words = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["serving"]["healthcheck"]["test"]
    port = str(program.rest_port)

    def check(*replaced: str) -> int:
        words_here = [word.replace("8501", port) for word in words[1:]]
        if replaced:
            words_here = [word.replace(*replaced) for word in words_here]
        return subprocess.run(words_here, timeout=30, capture_output=True).returncode

    assert check() == 0
    assert check("models/eoseg", "models/another") != 0
    assert check(f"/{port}", f"/{free_port()}") != 0, "a closed port"


def shown(program: Program, path: str = "/monitoring/prometheus/metrics") -> set[str]:
    with urllib.request.urlopen(program.url + path, timeout=30) as answer:
        return set(re.findall(r"^(:tensorflow:\S+?)\{", answer.read().decode(), re.MULTILINE))


def expressions() -> list[tuple[str, str]]:
    """What panels and alerts ask Prometheus: name, PromQL."""
    dashboard = json.loads((MONITORING / "dashboards" / "serving.json").read_text())
    asked = [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel["targets"]]
    asked += [("variable", one["query"]["query"]) for one in dashboard["templating"]["list"]]
    (group,) = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    return asked + [(rule["alert"], rule["expr"]) for rule in group["rules"]]


def test_every_metric_that_is_asked_for_is_exported(program: Program) -> None:
    ask(program)
    exported = shown(program)
    wanted = {metric: name for name, text in expressions() for metric in METRIC.findall(text)}
    assert len(wanted) > 8
    assert {metric: name for metric, name in wanted.items() if metric not in exported} == {}


def test_every_label_that_is_asked_for_is_exported(program: Program) -> None:
    ask(program)
    with urllib.request.urlopen(f"{program.url}/monitoring/prometheus/metrics", timeout=30) as answer:
        text = answer.read().decode()
    for name, expression in expressions():
        for metric, selector in re.findall(r"(:tensorflow:[a-z_:]+)\{([^}]*)\}", expression):
            labels = set(re.findall(r"(\w+)=", selector))
            line = next(line for line in text.splitlines() if line.startswith(f"{metric}{{"))
            assert labels <= set(re.findall(r"(\w+)=", line)), name


def test_a_real_prometheus_answers_every_panel(program: Program, tmp_path: Path) -> None:
    if shutil.which("prometheus") is None:
        pytest.skip("no prometheus (Debian's package of that name)")
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(MONITORING / "alerts.yml")]
    (job,) = config["scrape_configs"]
    job["static_configs"][0]["targets"] = [f"localhost:{program.rest_port}"]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    command = [
        "prometheus",
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def value(expression: str) -> list[str]:
        for name, meant in (("$__rate_interval", "30s"), ("$model", "eoseg")):
            expression = expression.replace(name, meant)
        query = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{query}", timeout=10) as answer:
            return [one["value"][1] for one in json.load(answer)["data"]["result"]]

    panels = [one for one in expressions() if "label_values" not in one[1] and not one[0].startswith("Eoseg")]
    silent: dict[str, str] = {"before": "the first answer"}
    try:
        deadline = time.monotonic() + 60
        while silent and time.monotonic() < deadline:
            ask(program)
            time.sleep(1)
            try:
                silent = {
                    text: name
                    for name, text in panels
                    if not (found := value(text)) or any(one == "NaN" for one in found)
                }
            except OSError:
                continue  # it is starting
        assert silent == {}
        assert value('up{job="eoseg"}') == ["1"]
    finally:
        process.terminate()
        process.wait(30)
