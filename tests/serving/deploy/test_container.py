import shlex
from pathlib import Path

from serving.batching import BatchingOptions
from serving.deploy.container import IMAGE, docker_command, for_container
from serving.deploy.deployment import Deployment, read_config_files, write_config_files
from serving.deploy.server_configs import MonitoringOptions
from serving.embedded.flags import parse_flags
from serving.served_model import ServedModel

HERE = ServedModel(name="eoseg", base_path="/data/my models, new/eoseg", labels={"stable": 2})
REMOTE = ServedModel(name="other", base_path="s3://bucket/other")


def test_the_command_mounts_every_folder_where_the_config_files_say_it_is(tmp_path: Path) -> None:
    deployment = Deployment(
        models=(HERE, REMOTE),
        batching=BatchingOptions(max_batch_size=5),
        monitoring=MonitoringOptions(enable=True),
        port=9000,
        rest_port=9001,
    )
    write_config_files(for_container(deployment), tmp_path)
    words = shlex.split(docker_command(deployment, tmp_path, ["--grpc_max_threads=8"]).replace("\\\n", ""))
    image = words.index(IMAGE)
    published = [words[i + 1] for i in range(image) if words[i] == "-p"]
    assert published == ["9000:8500", "9001:8501"]
    mounts = [words[i + 1] for i in range(image) if words[i] == "--mount"]
    assert mounts == [
        # Docker reads CSV: a comma in a folder's name needs quotes
        'type=bind,"source=/data/my models, new/eoseg",target=/models/eoseg,readonly',
        f"type=bind,source={tmp_path},target=/config,readonly",
    ]
    inside = read_config_files(tmp_path, 8500, 8501)
    assert [model.base_path for model in inside.models] == ["/models/eoseg", "s3://bucket/other"]
    flags = [flag.replace("/config", str(tmp_path)) for flag in words[image + 1 :]]
    options = parse_flags(flags)
    assert options.model_config_file == str(tmp_path / "models.config")
    assert (options.batching.max_batch_size, options.grpc_max_threads) == (5, 8)
    assert options.model_config_file_poll_wait_seconds > 0, "labels can be moved by editing models.config"
    assert "--port" not in " ".join(flags), "the image's entry point says it"
