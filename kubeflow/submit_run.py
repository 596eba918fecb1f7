"""Hands a compiled pipeline to Kubeflow Pipelines: one run, or a schedule of them (REST API v2beta1, by kfp's client).

The endpoint is asked for its health before anything else, with a time limit: the client itself has none, and says of a
log-in page only that it is no JSON.
"""

import contextlib
import http.client
import io
import json
import ssl
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from components.errors import ConfigError, EosegError, MissingFileError
from tfx_pipeline.kubeflow_options import SubmitOptions
from tfx_pipeline.kubeflow_request import RunRequest, SubmittedRun

HEALTH = "/apis/v2beta1/healthz"
ANSWER_SECONDS = 20.0
FINISHED = ("SUCCEEDED", "FAILED", "SKIPPED", "CANCELED")
MOST_MISSES = 5
"""Looks at a run, one after the other, that may fail: a run takes hours, and connections break in hours."""
MOST_AT_ONCE = 10
"""Of a schedule's runs: the API server's own limit."""


class SubmitError(EosegError, RuntimeError):
    """An endpoint that does not answer, or refuses."""


def submit(file: Path, options: SubmitOptions, request: RunRequest, say: Callable[[str], None]) -> SubmittedRun:
    """Starts a run, or sets up a schedule.

    Args:
        file: The compiled pipeline.
        options: The endpoint, the experiment, the namespace.
        request: What is to be run.
        say: Told the link as soon as there is one, and each new state while waiting.

    Raises:
        MissingFileError, ConfigError: If there is no such pipeline, or no endpoint is named.
        SubmitError: If the endpoint does not answer, refuses, or the run is not at its end in time.
    """
    pipeline, parameters = _checked(file, request)
    _check_schedule(request)
    endpoint = (options.endpoint or "").rstrip("/")
    if not endpoint.startswith(("http://", "https://")):
        raise ConfigError(
            f"the Kubeflow Pipelines endpoint is '{endpoint}'"
            if endpoint
            else "no Kubeflow Pipelines endpoint is named",
            "its address, such as http://localhost:8080",
            "give --endpoint, or set kubeflow.submit.endpoint or the variable KF_PIPELINES_ENDPOINT",
        )
    _check_endpoint(endpoint, request)
    client = _client(endpoint, options, request)
    ui = (options.ui or endpoint).rstrip("/")
    with _clear_refusals(endpoint):
        with _quiet():
            experiment = client.create_experiment(options.experiment or pipeline, namespace=options.namespace)
        common = {
            "experiment_id": experiment.experiment_id,
            "job_name": request.name,
            "pipeline_package_path": str(file),
            "params": parameters,
            "pipeline_root": request.pipeline_root,
            "service_account": options.service_account,
        }
        if request.is_schedule:
            made = client.create_recurring_run(
                **common,
                cron_expression=request.cron,
                interval_second=request.every_seconds,
                max_concurrency=request.at_once,
                no_catchup=True,
            )
            link = f"{ui}/#/recurringrun/details/{made.recurring_run_id}"
            say(f"schedule {made.recurring_run_id}: {link}")
            return SubmittedRun(made.recurring_run_id, link, "SCHEDULED")
        with _quiet():
            run = client.run_pipeline(**common)
        link = f"{ui}/#/runs/details/{run.run_id}"
        say(f"run {run.run_id}: {link}")
        if request.wait_seconds is None:
            return SubmittedRun(run.run_id, link, run.state or "PENDING")
        return _wait(client, run.run_id, link, request, say)


def _wait(client: Any, run_id: str, link: str, request: RunRequest, say: Callable[[str], None]) -> SubmittedRun:
    """Looks at the run until it is at its end; kfp's own wait does not know a cancelled run for finished."""
    import kfp_server_api
    import urllib3

    until = time.monotonic() + (request.wait_seconds or 0)
    last, misses = "", 0
    while True:
        try:
            run = client.get_run(run_id)
        except (kfp_server_api.ApiException, urllib3.exceptions.HTTPError) as error:
            code = getattr(error, "status", None)
            misses += 1
            if (code or 503) >= 500 and misses <= MOST_MISSES and time.monotonic() < until:
                time.sleep(request.poll_seconds)
                continue
            said = f"the endpoint answers {code} {getattr(error, 'reason', '')}" if code else str(error)
            raise SubmitError(
                f"run {run_id} goes on, and can no longer be looked at: {said}",
                "an endpoint that answers, and a token that is good until the run's end",
                f"look at {link}; do not submit it again",
            ) from error
        misses = 0
        state = str(run.state or "PENDING").upper()
        if state != last:
            say(state.lower())
            last = state
        if state in FINISHED:
            return SubmittedRun(run_id, link, state, str(getattr(run.error, "message", "") or ""))
        if time.monotonic() >= until:
            raise SubmitError(
                f"run {run_id} is still {state.lower()} after {request.wait_seconds:.0f} s; it goes on",
                "its end",
                f"look at {link}, or give --timeout more seconds",
            )
        time.sleep(min(request.poll_seconds, max(0.0, until - time.monotonic())))


def _check_schedule(request: RunRequest) -> None:
    # The server takes five fields for six without the last: "0 3 * * 1" would run every hour of January.
    if request.cron is not None and not request.cron.startswith("@") and len(request.cron.split()) != 6:
        raise ConfigError(
            f"--cron '{request.cron}' has {len(request.cron.split())} fields",
            "six: second, minute, hour, day of the month, month, day of the week",
            "put the seconds first: '0 0 3 * * 1' is Mondays at three",
        )
    if request.every_seconds is not None and request.every_seconds < 1:
        raise ConfigError(f"--every {request.every_seconds}", "seconds, 1 or more", "correct it")
    if not 1 <= request.at_once <= MOST_AT_ONCE:
        raise ConfigError(f"--at-once {request.at_once}", f"1 to {MOST_AT_ONCE}", "correct it")


def _checked(file: Path, request: RunRequest) -> tuple[str, dict[str, Any]]:
    """The pipeline's name, and the run's parameters in the pipeline's types; what does not fit is refused here."""
    if not file.is_file():
        raise MissingFileError(f"there is no file {file}", "a compiled pipeline", "run `eoseg kubeflow compile` first")
    try:
        document: Any = next(yaml.safe_load_all(file.read_text(encoding="utf-8")), None)
        name = str(document["pipelineInfo"]["name"])
        known = document["root"].get("inputDefinitions", {}).get("parameters", {})
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{file} is no compiled pipeline", "what `eoseg kubeflow compile` writes", "give that file"
        ) from error
    unknown = sorted(request.parameters.keys() - known.keys())
    if unknown:
        raise ConfigError(
            f"the pipeline has no parameter '{unknown[0]}'", f"one of {', '.join(sorted(known))}", "correct --parameter"
        )
    typed = {key: _typed(key, str(known[key].get("parameterType")), value) for key, value in request.parameters.items()}
    return name, typed


def _typed(name: str, kind: str, value: Any) -> Any:
    if kind != "NUMBER_INTEGER":
        return value
    try:
        number = int(value)
    except ValueError as error:
        raise ConfigError(f"--parameter {name}={value}", "a whole number", "correct it") from error
    if number < 0:
        raise ConfigError(f"--parameter {name}={value}", "0 or more", "correct it")
    return number


def _check_endpoint(endpoint: str, request: RunRequest) -> None:
    if request.ca_file is not None and not Path(request.ca_file).is_file():
        raise MissingFileError(f"there is no file {request.ca_file}", "a file of certificates", "correct --ca-file")
    headers = {"Accept": "application/json"}
    if request.token:
        headers["Authorization"] = f"Bearer {request.token}"
    try:
        context = ssl.create_default_context(cafile=request.ca_file) if endpoint.startswith("https://") else None
        asked = urllib.request.Request(f"{endpoint}{HEALTH}", headers=headers)
        with urllib.request.urlopen(asked, timeout=ANSWER_SECONDS, context=context) as answer:
            body = answer.read(1 << 20)
    except urllib.error.HTTPError as error:
        raise _refused(endpoint, error.code, error.reason, "") from error
    except (OSError, http.client.HTTPException) as error:  # URLError, time-outs and TLS errors are OSErrors
        raise SubmitError(
            f"{endpoint} does not answer: {getattr(error, 'reason', error)}",
            "the address of the Kubeflow Pipelines API, reachable from here",
            "correct --endpoint; in a cluster without ingress: "
            "kubectl -n kubeflow port-forward svc/ml-pipeline-ui 8080:80, and --endpoint http://localhost:8080",
        ) from error
    try:
        json.loads(body)
    except ValueError as error:
        page = b"<html" in body[:2000].lower()
        raise SubmitError(
            f"{endpoint} answers with {'a web page, probably its log-in' if page else 'something that is no JSON'}",
            "the Kubeflow Pipelines API",
            "give a token (EOSEG_KUBEFLOW_TOKEN or --token-file), and the address that the API has behind the log-in, "
            "often with /pipeline at its end",
        ) from error


def _client(endpoint: str, options: SubmitOptions, request: RunRequest) -> Any:
    with _quiet(), _clear_refusals(endpoint):
        import kfp

        return kfp.Client(
            host=endpoint,
            existing_token=request.token,
            namespace=options.namespace or "kubeflow",
            ssl_ca_cert=request.ca_file,
            ui_host=options.ui,
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what the client prints and warns of from the terminal."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _clear_refusals(endpoint: str) -> Iterator[None]:
    """Turns what the client raises into one clear message."""
    import kfp_server_api
    import urllib3

    try:
        yield
    except kfp_server_api.ApiException as error:
        raise _refused(endpoint, error.status, error.reason, _said(error.body)) from error
    except urllib3.exceptions.HTTPError as error:
        raise SubmitError(
            f"{endpoint} stopped answering: {error}", "an answer", "look whether the run was made, and try again"
        ) from error


def _said(body: Any) -> str:
    """What the server says was wrong."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
    try:
        found = json.loads(text)
        return str(found.get("error_message") or found.get("message") or found.get("error") or text)
    except (ValueError, AttributeError):
        return text.strip()[:500]


def _refused(endpoint: str, code: int | None, reason: Any, said: str) -> SubmitError:
    what = f"{endpoint} answers {code} {reason}" + (f": {said}" if said else "")
    if code in (401, 403):
        return SubmitError(
            what,
            "a token that the endpoint takes, and the right to make runs in the namespace",
            "put a fresh token into EOSEG_KUBEFLOW_TOKEN or a file for --token-file; where several users share the "
            "cluster, give --namespace",
        )
    if code == 404:
        return SubmitError(
            what,
            f"the Kubeflow Pipelines API (v2beta1) at {endpoint}{HEALTH}",
            "correct --endpoint; behind Kubeflow's dashboard the API often has /pipeline at the end of its address",
        )
    return SubmitError(what, "that it takes the pipeline", "correct what it names, or ask who runs the cluster")
