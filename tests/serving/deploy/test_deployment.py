from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.errors import ConfigError, MissingFileError
from serving.batching import BatchingOptions
from serving.deploy.deployment import (
    Deployment,
    config_texts,
    read_config_files,
    server_flags,
    write_config_files,
)
from serving.deploy.server_configs import MonitoringOptions, TlsOptions
from serving.embedded.flags import parse_flags
from serving.served_model import ServedModel, VersionPolicy

PLAIN = ServedModel(name="eoseg", base_path="/models/eoseg")

models = st.builds(
    ServedModel,
    name=st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=5),
    base_path=st.just("/models/x"),
    policy=st.one_of(st.builds(VersionPolicy, num_versions=st.integers(1, 3)), st.just(VersionPolicy(kind="all"))),
    labels=st.dictionaries(st.sampled_from(["stable", "canary"]), st.integers(1, 9)),
)
deployments = st.builds(
    Deployment,
    models=st.lists(models, min_size=1, max_size=3, unique_by=lambda model: model.name).map(tuple),
    batching=st.one_of(
        st.just(BatchingOptions(enabled=False)), st.builds(BatchingOptions, max_batch_size=st.integers(1, 64))
    ),
    monitoring=st.sampled_from([MonitoringOptions(), MonitoringOptions(enable=True, path="/metrics")]),
    tls=st.none() | st.just(TlsOptions(server_key="k", server_cert="c")),
    port=st.just(8600),
    rest_port=st.just(8601),
)


@given(deployment=deployments)
def test_files_come_back_as_they_were_written(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("config")
    written = write_config_files(deployment, folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in written)
    assert read_config_files(folder, port=8600, rest_port=8601) == deployment


@given(deployments)
def test_every_file_is_named_by_a_flag_and_no_other_is(deployment: Deployment) -> None:
    flags = dict(flag.removeprefix("--").split("=", 1) for flag in server_flags(deployment, "/config"))
    named = {value.removeprefix("/config/") for value in flags.values() if value.startswith("/config/")}
    by_flags_alone = {"models.config"} if deployment.is_one_plain_model else set()
    assert named == set(config_texts(deployment)) - by_flags_alone
    assert ("enable_batching" in flags) == deployment.batching.enabled


def test_the_server_understands_its_flags(tmp_path: Path) -> None:
    deployment = Deployment(
        models=(PLAIN.model_copy(update={"labels": {"stable": 3}}),),
        batching=BatchingOptions(max_batch_size=7),
        monitoring=MonitoringOptions(enable=True),
        rest_port=8501,
        models_poll_seconds=9,
    )
    write_config_files(deployment, tmp_path)
    options = parse_flags(server_flags(deployment, tmp_path))
    assert options.batching == deployment.batching
    assert (options.port, options.rest_api_port, options.model_config_file_poll_wait_seconds) == (8500, 8501, 9)
    assert options.model_config_file == str(tmp_path / "models.config")
    assert options.allow_version_labels_for_unavailable_models, "no version is available at the start"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"models": ()}, "at least 1 item"),
        ({"models": (PLAIN, PLAIN)}, "name of their own"),
        ({"monitoring": MonitoringOptions(enable=True)}, "monitoring needs a REST port"),
        ({"rest_port": 8500}, "both listen on port 8500"),
        ({"port": 70000}, "less than or equal to 65535"),
        (
            {
                "models": (
                    ServedModel(
                        name="a",
                        base_path="/a",
                        policy=VersionPolicy(kind="specific", versions=(1, 2)),
                        labels={"canary": 3},
                    ),
                )
            },
            r"label 'canary' of model a names version 3, which is not among the versions \[1, 2\]",
        ),
    ],
)
def test_what_cannot_be_served_is_refused_at_construction(values: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Deployment(**{"models": (PLAIN,), **values})


def test_a_file_edited_by_hand_is_not_replaced_unless_told(tmp_path: Path) -> None:
    write_config_files(Deployment(models=(PLAIN,), tls=TlsOptions(server_key="k", server_cert="c")), tmp_path)
    assert (tmp_path / "ssl.config").stat().st_mode & 0o777 == 0o600, "it holds the private key"
    edited = (tmp_path / "models.config").read_text() + "# ours\n"
    (tmp_path / "models.config").write_text(edited)
    without_tls = Deployment(models=(PLAIN,))
    with pytest.raises(ConfigError, match=r"models\.config, .*ssl\.config would be changed or removed"):
        write_config_files(without_tls, tmp_path)
    assert (tmp_path / "models.config").read_text() == edited
    write_config_files(without_tls, tmp_path, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["batching_parameters.txt", "models.config"]
    write_config_files(without_tls, tmp_path)  # nothing differs now


def test_a_folder_that_says_nonsense_is_an_error_with_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"models\.config does not exist"):
        read_config_files(tmp_path)
    write_config_files(Deployment(models=(PLAIN,)), tmp_path)
    (tmp_path / "monitoring.config").write_text('prometheus_config {\n  enable: true\n  pat: "/x"\n}')
    with pytest.raises(ConfigError, match=r"monitoring\.config': line 3, column 3"):
        read_config_files(tmp_path)
    (tmp_path / "monitoring.config").write_text("prometheus_config { enable: true }")
    with pytest.raises(ConfigError, match="monitoring needs a REST port"):
        read_config_files(tmp_path)
