"""docker-compose.yml, and what Prometheus and Grafana are told."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from serving.deploy.container import IMAGE
from tests.kubeflow.build_manifests import MANIFESTS, ROOT, build, the
from tests.kubeflow.go_modules import go_module

MONITORING = ROOT / "kubeflow" / "monitoring"
COMPOSE_GO = "github.com/compose-spec/compose-go/v2@v2.4.7"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return document


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = compose["services"]
    return found


@pytest.mark.slow
def test_it_is_what_the_compose_specification_allows(compose: dict[str, Any], tmp_path: Path) -> None:
    schema = json.loads((go_module(COMPOSE_GO, tmp_path) / "schema" / "compose-spec.json").read_text())
    validator = jsonschema.Draft7Validator(schema)
    assert [error.message for error in validator.iter_errors(compose)] == []
    compose["services"]["serving"]["misspelt"] = 1
    assert not validator.is_valid(compose)
    del compose["services"]["serving"]["misspelt"]


def test_every_service_is_locked_down(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not {"privileged", "network_mode", "pid", "ipc", "cap_add"} & service.keys(), name
        assert int(service["user"].partition(":")[0]) > 0, name
        assert {"cpus", "memory", "pids"} <= service["deploy"]["resources"]["limits"].keys(), name
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert re.fullmatch(r"[\w/-]+:v?\d[\w.-]+", service["image"]), name
        assert service["ports"], name
        for port in service["ports"]:
            assert port.startswith("127.0.0.1:"), f"{name} is open to the network"


def test_what_is_mounted_is_there(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for volume in service["volumes"]:
            source = volume["source"] if isinstance(volume, dict) else volume.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), f"{name}: {source}"
                read_only = volume["read_only"] if isinstance(volume, dict) else volume.endswith(":ro")
                assert read_only, f"{name} may write {source}"
            elif not source.startswith("${"):
                assert source in compose["volumes"], f"{name}: {source}"


def test_no_secret_stands_in_the_file(services: dict[str, Any]) -> None:
    for service in services.values():
        for key, value in service.get("environment", {}).items():
            if "PASSWORD" in key:
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), "asked of who starts it, never defaulted"


def test_the_server_is_that_of_the_cluster(services: dict[str, Any]) -> None:
    pod = the(build("overlays/cpu"), "Deployment")["spec"]["template"]["spec"]
    (cluster,) = pod["containers"]
    only_there = [flag for flag in cluster["args"] if flag not in services["serving"]["command"]]
    assert all("_op_parallelism=" in flag for flag in only_there), "here, TensorFlow may use the whole machine"
    assert services["serving"]["command"] == [flag for flag in cluster["args"] if flag not in only_there]
    assert services["serving"]["image"] == cluster["image"] == IMAGE
    mounts = {volume["target"]: volume["source"] for volume in services["serving"]["volumes"]}
    assert mounts["/config"] == f"./{(MANIFESTS / 'foundation' / 'config').relative_to(ROOT)}"


def promtool(*arguments: str | Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("no promtool (Debian's package prometheus)")
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_config_and_alerts() -> None:
    promtool("check", "config", MONITORING / "prometheus.yml")
    promtool("check", "rules", MONITORING / "alerts.yml")


def test_the_alerts_come_when_they_should_and_not_before(tmp_path: Path) -> None:
    tests = {
        "rule_files": [str(MONITORING / "alerts.yml")],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": 'up{job="eoseg", instance="a"}', "values": "1x9 0x20"},
                    # 1000 requests a minute, of which 20 fail, then none.
                    {"series": ':tensorflow:serving:request_count{model_name="m", status="OK"}', "values": "0+980x30"},
                    {
                        "series": ':tensorflow:serving:request_count{model_name="m", status="UNAVAILABLE"}',
                        "values": "0+20x15 300x20",
                    },
                ],
                "alert_rule_test": [
                    {"eval_time": "9m", "alertname": "EosegServerDown", "exp_alerts": []},
                    {
                        "eval_time": "14m",
                        "alertname": "EosegServerDown",
                        "exp_alerts": [
                            {
                                "exp_labels": {"severity": "critical", "job": "eoseg", "instance": "a"},
                                "exp_annotations": {"summary": "a does not answer"},
                            }
                        ],
                    },
                    {
                        "eval_time": "12m",
                        "alertname": "EosegRequestsFail",
                        "exp_alerts": [
                            {
                                "exp_labels": {"severity": "critical", "model_name": "m"},
                                "exp_annotations": {"summary": "2% of the requests for m fail"},
                            }
                        ],
                    },
                    {"eval_time": "28m", "alertname": "EosegRequestsFail", "exp_alerts": []},
                ],
            }
        ],
    }
    path = tmp_path / "tests.yml"
    path.write_text(yaml.safe_dump(tests))
    promtool("test", "rules", path)


def test_prometheus_reads_where_the_server_shows(services: dict[str, Any]) -> None:
    (job,) = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["scrape_configs"]
    monitoring = (MANIFESTS / "foundation" / "config" / "monitoring.config").read_text()
    assert f'path: "{job["metrics_path"]}"' in monitoring
    (target,) = job["static_configs"][0]["targets"]
    name, _, port = target.partition(":")
    assert f"127.0.0.1:{port}:{port}" in services[name]["ports"]


def test_grafana_finds_prometheus_and_the_dashboard(services: dict[str, Any]) -> None:
    grafana = MONITORING / "grafana"
    (source,) = yaml.safe_load((grafana / "datasources" / "prometheus.yml").read_text())["datasources"]
    host, _, port = source["url"].removeprefix("http://").partition(":")
    assert f"127.0.0.1:{port}:{port}" in services[host]["ports"]
    (provider,) = yaml.safe_load((grafana / "dashboards" / "eoseg.yml").read_text())["providers"]
    assert f"./kubeflow/monitoring/dashboards:{provider['options']['path']}:ro" in services["grafana"]["volumes"]
    dashboard = json.loads((MONITORING / "dashboards" / "serving.json").read_text())
    used = {target["datasource"]["uid"] for panel in dashboard["panels"] for target in panel["targets"]}
    assert used == {source["uid"]}
    places = [tuple(panel["gridPos"].values()) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places)
    assert all(panel["description"] for panel in dashboard["panels"])
