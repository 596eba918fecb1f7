"""ML Metadata in a file and in real database servers: opened, refused, told apart, at the same time."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2

from components.errors import ConfigError, MissingFileError
from tests.database_server import PASSWORD, DatabaseServer, database_server
from tfx_pipeline.config import Config
from tfx_pipeline.data_set import Places, places_of
from tfx_pipeline.metadata_place import (
    MetadataError,
    metadata_of,
    open_metadata,
    prepare_metadata,
    without_passwords,
)
from tfx_pipeline.run_record import read_latest_run

AWKWARD = '{"regex": "a\\d\\", \'; "quoted"} \\' + "\n\t\u00e4 \U0001f30d"
"""What breaks escaping."""

JOBS = {"a": ("tiny", None), "b": ("tiny", None), "c": ("other", None), "d": ("tiny", "team"), "e": ("tiny", "team")}
"""Working directories, the pipelines that run in them, and `metadata.pipeline`."""

RUNS = """
import json, os, sys
from pathlib import Path
from tfx import v1 as tfx
from tests.tfx_pipeline.test_metadata_place import JOBS, config_of
from tests.tfx_pipeline.metadata_step import Count
from tfx_pipeline.data_set import places_of
from tfx_pipeline.local_runner import LocalRunner
from tfx_pipeline.metadata_place import prepare_metadata

options, folder = json.loads(sys.argv[1]), Path(sys.argv[2])

def run(name):
    config = config_of(folder / name, {**options, "pipeline": JOBS[name][1]}, JOBS[name][0])
    places = places_of(config)
    places.workdir.mkdir(parents=True, exist_ok=True)
    place = prepare_metadata(config, places)
    pipeline = tfx.dsl.Pipeline(place.pipeline, places.pipeline_root, components=[Count(text="same")],
                                enable_cache=True, metadata_connection_config=place.connection())
    LocalRunner(place.mark).run(pipeline)

def at_once(*names):
    # Processes of their own that share the minute that the imports take.
    children = []
    for name in names:
        child = os.fork()
        if child == 0:
            try:
                run(name)
            except BaseException:
                import traceback
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(child)
    if any([os.waitpid(child, 0)[1] for child in children]):
        sys.exit(1)

at_once(*JOBS)
at_once("a")
"""


def config_of(folder: Path, metadata: dict[str, object] | None = None, name: str = "tiny") -> Config:
    return Config.model_validate(
        {
            "name": name,
            "workdir": str(folder),
            "metadata": metadata or {},
            "data": {
                "root": str(folder), "images": "{tile}.tif", "labels": "{tile}l.tif", "bands": {"red": 1},
                "splits": {"train": ["a"], "eval": ["b"]},
            },
            "classes": [{"name": "roof", "color": [255, 0, 0]}, {"name": "lawn", "color": [0, 255, 0]}],
        }
    )  # fmt: skip


@pytest.fixture(scope="module", params=["postgresql", "mysql"])
def server(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    with database_server(request.param) as running:
        yield running


def ready(config: Config) -> tuple[Config, Places]:
    places = places_of(config)
    places.workdir.mkdir(parents=True, exist_ok=True)
    return config, places


def test_a_database_is_made_written_and_read(server: DatabaseServer, tmp_path: Path) -> None:
    config, places = ready(config_of(tmp_path, server.options("written")))
    place = prepare_metadata(config, places)
    kind = metadata_store_pb2.ContextType(name="greeting")
    store = open_metadata(place)
    kind_id = store.put_context_type(kind)
    context = metadata_store_pb2.Context(type_id=kind_id, name="hello")
    context.custom_properties["text"].string_value = AWKWARD
    kept = context.SerializeToString()
    store.put_contexts([context])
    assert context.SerializeToString() == kept
    (read,) = open_metadata(place).get_contexts_by_type("greeting")
    assert (read.name, read.custom_properties["text"].string_value) == ("hello", AWKWARD)
    assert "hello" in server.ask("written", f"select name from {'Context' if server.kind == 'mysql' else 'context'}")


@pytest.mark.slow
def test_runs_at_the_same_time_make_one_schema_and_know_their_own(server: DatabaseServer, tmp_path: Path) -> None:
    """Working directories that have a name in common, want it in common, or have none; then one of them again."""
    options = server.options("at_once")
    command = [sys.executable, "-c", RUNS, json.dumps(options), str(tmp_path)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout
    names = set()
    for folder, (name, pipeline) in JOBS.items():
        config, places = ready(config_of(tmp_path / folder, {**options, "pipeline": pipeline}, name))
        place = metadata_of(config, places)
        record = read_latest_run(place)
        names.add(record.name)
        assert record.name.endswith(place.mark)
        output = record.output("Count", "counted")
        assert output is not None
        if pipeline is None:
            assert output.uri.startswith(str(tmp_path / folder))  # not what another one had counted
            assert record.steps["Count"].reused == (folder == "a")
    assert len(names) == 5


def test_a_wrong_password_is_one_clear_message(
    server: DatabaseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WRONG", "no")
    config, places = ready(config_of(tmp_path, server.options("wrong", password_env="WRONG")))
    with pytest.raises(MetadataError) as refused:
        prepare_metadata(config, places)
    assert f"{server.kind}://mlmd@127.0.0.1:{server.port}/wrong cannot be opened" in str(refused.value)
    assert ("password authentication failed" in str(refused.value)) == (server.kind == "postgresql")
    assert ("mysql_native_password" in str(refused.value)) == (server.kind == "mysql")
    assert capfd.readouterr().err == ""  # what C++ wrote is in the message


def test_tables_of_another_version_are_told(server: DatabaseServer, tmp_path: Path) -> None:
    config, places = ready(config_of(tmp_path, server.options("later")))
    prepare_metadata(config, places)
    server.ask("later", f"update {'MLMDEnv' if server.kind == 'mysql' else 'mlmdenv'} set schema_version = 99")
    with pytest.raises(MetadataError, match=r"another version of ML Metadata: .*99"):
        prepare_metadata(config, places)


def test_before_a_first_run_nothing_is_recorded(server: DatabaseServer, tmp_path: Path) -> None:
    config, places = ready(config_of(tmp_path, server.options("untouched")))
    with pytest.raises(MissingFileError, match="records no run"):
        read_latest_run(metadata_of(config, places))
    prepare_metadata(config, places)
    with pytest.raises(MissingFileError, match=r"records no run of the pipeline tiny\."):
        read_latest_run(metadata_of(config, places))


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    options = {"kind": "mysql", "host": "127.0.0.1", "port": 1, "user": "me"}
    with pytest.raises(MetadataError, match=r"no server can be reached at 127\.0\.0\.1:1"):
        prepare_metadata(*ready(config_of(tmp_path, options)))


def test_a_missing_password_comes_before_any_connection(tmp_path: Path) -> None:
    options = {"kind": "mysql", "host": "127.0.0.1", "port": 1, "user": "me", "password_env": "NOT_SET_ANYWHERE"}
    with pytest.raises(ConfigError, match="NOT_SET_ANYWHERE"):
        prepare_metadata(*ready(config_of(tmp_path, options)))


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    config, places = ready(config_of(tmp_path))
    places.metadata.write_bytes(b"no database" * 500)
    with pytest.raises(MetadataError, match=r"metadata\.sqlite cannot be opened"):
        open_metadata(metadata_of(config, places))


def test_a_working_directory_keeps_its_mark_and_no_other_has_it(tmp_path: Path) -> None:
    options = {"kind": "mysql", "host": "127.0.0.1", "port": 1, "user": "me"}
    marks = []
    for folder in ("a", "a", "b"):
        config, places = ready(config_of(tmp_path / folder, options, "n" * 80))
        with pytest.raises(MetadataError):
            prepare_metadata(config, places)
        place = metadata_of(config, places)
        assert len(place.pipeline) == 63
        assert place.pipeline.endswith(f".{place.mark}")
        marks.append(place.mark)
    assert marks[0] == marks[1] != marks[2]


def test_passwords_are_taken_out_of_what_is_logged() -> None:
    connection = metadata_store_pb2.ConnectionConfig()
    connection.mysql.user, connection.mysql.password = "me", PASSWORD + '" and more'
    logged = without_passwords(f"Using connection config:\n {connection}")
    assert 'user: "me"' in logged
    assert "secret" not in logged
    assert "more" not in logged
