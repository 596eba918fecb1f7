"""The pipeline: it reads as the flow. Tiles -> records -> data set -> network -> evaluation -> pushed version."""

import tensorflow_data_validation as tfdv
from tfx import v1 as tfx
from tfx.dsl.components.base.base_node import BaseNode

from components.data_statistics.component import (
    PREVIOUS_STATISTICS,
    STATISTICS,
    VERDICT,
    AnomalyGate,
    DataVerdict,
    ImportSchema,
    LastAcceptedStatistics,
)
from components.data_statistics.curated_schema import read_schema_file
from components.data_statistics.skew import scalar_features
from components.errors import ConfigError
from components.evaluation.component import LatestComparableBlessedModel
from components.evaluation.eval_config import build_eval_config
from components.evaluation.evaluate_tile import TileEvaluationOptions
from components.evaluation.map_evaluator.component import MapEvaluator
from components.evaluation.map_evaluator.options import MapEvaluatorOptions
from components.evaluation.model_gates.component import ModelGates
from components.file_systems import arguments_for_workers
from components.label_validation.component import LabelValidator
from components.publishing.component import VersionPusher
from components.publishing.model_card_options import CardRequest
from components.records.component import TileExampleGen
from components.records.record_format import RecordFormat
from components.records.write_tile import IngestOptions
from components.tile_source import TileList
from components.training.component import BlessedOnOtherRecords
from components.training.tuning_options import SEARCH_VERSION
from components.training.weights_digest import weights_digest
from serving.infra_check.component import ServingCheck
from tfx_pipeline.beam_runner import beam_arguments
from tfx_pipeline.config import Config
from tfx_pipeline.data_set import DataSet, Places
from tfx_pipeline.metadata_place import metadata_of


def record_format(config: Config, data: DataSet) -> RecordFormat:
    """The shape of the records that this configuration makes."""
    return RecordFormat.model_validate(
        {
            "patch_size": config.patches.size,
            "bands": config.band_set.names,
            "band_set": config.band_set,
            "dtype": data.dtype,
            "downsample": config.patches.downsample,
            "table": config.table,
        }
    )


def build_pipeline(config: Config, data: DataSet, places: Places, *, any_driver: bool = False) -> tfx.dsl.Pipeline:
    """The TFX pipeline of a data set; built anew for each runner.

    Args:
        config: The configuration.
        data: Its files.
        places: Where things go.
        any_driver: Use only what every driver knows: Kubeflow's resolves by TFX's own strategies alone.
    """
    # Options travel to the steps as their own JSON: inside Parameter[Dict[str, Any]] TFX turns a nested list to text.
    tiles = TileList(tiles=data.tiles).model_dump_json()
    bands = config.band_set
    format_ = record_format(config, data)
    split = data.evaluated_split(config)
    # A cluster has its own metadata.
    metadata = None if any_driver else metadata_of(config, places)
    judged = config.evaluation.for_classes([config.table.names[i] for i in config.table.scored_ids])

    labels = LabelValidator(
        tiles=tiles,
        fingerprint=data.fingerprint,
        bands=bands.model_dump_json(),
        table=config.table.model_dump_json(),
        labels=config.label_options.model_dump_json(),
        options=config.validation.model_dump_json(),
        report_copy=str(places.validation),
    )
    records = TileExampleGen(
        label_report=labels.outputs["report"],
        tiles=tiles,
        fingerprint=data.fingerprint,
        options=IngestOptions(
            table=config.table, bands=bands, labels=config.label_options, patches=config.patches
        ).model_dump_json(),
    )

    statistics = tfx.components.StatisticsGen(
        examples=records.outputs["examples"],
        stats_options=tfdv.StatsOptions(feature_allowlist=scalar_features(config.table.names, bands.names)),
    )
    schema: BaseNode
    if config.statistics.schema_file:
        schema = ImportSchema(text=read_schema_file(config.statistics.schema_file))
    else:
        schema = tfx.components.SchemaGen(
            statistics=statistics.outputs["statistics"], exclude_splits=["eval", "test"], infer_feature_shape=True
        )
    anomalies = tfx.components.ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )
    last_statistics = _last_statistics(statistics, any_driver)
    sound = AnomalyGate(
        examples=records.outputs["examples"],
        statistics=statistics.outputs["statistics"],
        schema=schema.outputs["schema"],
        anomalies=anomalies.outputs["anomalies"],
        previous_statistics=last_statistics.outputs[PREVIOUS_STATISTICS],
        options=config.statistics.model_dump_json(),
        patches=config.patches.model_dump_json(),
        report_copy=str(places.workdir / "statistics"),
    )

    asked = {
        "record_format": format_.model_dump(mode="json"),
        "network": config.network.model_dump(mode="json"),
        # Makes another file of the same name another step.
        "pretrained_digest": weights_digest(config.network.pretrained_path),
        "training": config.training.model_dump(mode="json"),
        "checkpoint_base": str(places.checkpoints),
        "model_name": config.publish.model_name,
    }
    tuner = []
    if config.tuning is not None:
        search = tfx.components.Tuner(
            tuner_fn="components.training.tuner_fn.tuner_fn",
            examples=records.outputs["examples"],
            train_args=tfx.proto.TrainArgs(splits=["train"]),
            eval_args=tfx.proto.EvalArgs(splits=["eval"]),
            custom_config={
                **asked,
                "tuning": config.tuning.model_dump(mode="json"),
                "search_version": SEARCH_VERSION,
            },
        )
        search.add_upstream_node(sound)
        tuner.append(search)
    start = [] if config.training.warm_start == "none" else [_model_to_start_from(records, any_driver)]
    trainer = tfx.components.Trainer(
        run_fn="components.training.run_fn.run_fn",
        examples=records.outputs["examples"],
        train_args=tfx.proto.TrainArgs(splits=["train"], num_steps=config.training.steps),
        eval_args=tfx.proto.EvalArgs(splits=["eval"]),
        base_model=start[0].outputs["model"] if start else None,
        hyperparameters=tuner[0].outputs["best_hyperparameters"] if tuner else None,
        custom_config=asked,
    )
    trainer.add_upstream_node(sound)

    blessed = _latest_blessed_model(trainer, any_driver)
    evaluator = tfx.components.Evaluator(
        examples=records.outputs["examples"],
        example_splits=[split],
        model=trainer.outputs["model"],
        baseline_model=blessed.outputs["model"],
        # Kubeflow's driver takes any blessing for the last word; so there the one of all gates is the only one.
        eval_config=build_eval_config(config.table, judged.gates, compare=True, bless=not any_driver),
    )
    map_evaluator = MapEvaluator(
        model=trainer.outputs["model"],
        blessed_model=blessed.outputs["model"],
        tiles=TileList(tiles=tuple(tile for tile in data.tiles if tile.split == split)).model_dump_json(),
        fingerprint=data.fingerprint + data.zones_fingerprint,
        options=MapEvaluatorOptions(
            table=config.table,
            labels=config.label_options,
            tiles=TileEvaluationOptions(
                maps=config.maps.making(), counting=config.evaluation.counting, zones=config.zones
            ),
            bootstrap=config.evaluation.bootstrap,
            ignored=config.evaluation.ignored,
        ).model_dump_json(),
    )
    gates = ModelGates(
        model=trainer.outputs["model"],
        evaluation=evaluator.outputs["evaluation"],
        map_evaluation=map_evaluator.outputs["evaluation"],
        options=judged.model_dump_json(),
    )

    serving_check = ServingCheck(
        model=trainer.outputs["model"],
        model_run=trainer.outputs["model_run"],
        examples=records.outputs["examples"],
        split=split,
        record_format=format_.model_dump_json(),
        model_name=config.publish.model_name,
        batching=config.batching.model_dump_json(),
    )
    pusher = VersionPusher(
        model=trainer.outputs["model"],
        model_blessing=gates.outputs["blessing"],
        infra_blessing=serving_check.outputs["infra_blessing"],
        model_base=str(places.model_base),
        model_name=config.publish.model_name,
        provenance={"data_fingerprint": data.fingerprint, "pipeline": config.name},
        card=CardRequest.of(config.publish.card, split, config.model_dump(mode="json")).model_dump_json(),
        evaluation=evaluator.outputs["evaluation"],
        map_evaluation=map_evaluator.outputs["evaluation"],
        label_report=labels.outputs["report"],
        model_run=trainer.outputs["model_run"],
        examples=records.outputs["examples"],
    )

    return tfx.dsl.Pipeline(
        pipeline_name=config.name if metadata is None else metadata.pipeline,
        pipeline_root=places.pipeline_root,
        components=[
            labels, records, statistics, schema, anomalies, last_statistics, sound, *start, *tuner, trainer,
            blessed, evaluator, map_evaluator, gates, serving_check, pusher,
        ],
        enable_cache=True,
        metadata_connection_config=None if metadata is None else metadata.connection(),
        beam_pipeline_args=[*beam_arguments(config.beam), *arguments_for_workers(places.pipeline_root)],
    )  # fmt: skip


def _last_statistics(statistics: BaseNode, any_driver: bool) -> BaseNode:
    channels = {PREVIOUS_STATISTICS: tfx.dsl.Channel(type=tfx.types.standard_artifacts.ExampleStatistics)}
    if any_driver:
        strategy = tfx.dsl.experimental.LatestArtifactStrategy
    else:
        strategy = LastAcceptedStatistics
        channels[STATISTICS] = statistics.outputs["statistics"]
        channels[VERDICT] = tfx.dsl.Channel(type=DataVerdict)
    last = tfx.dsl.Resolver(strategy_class=strategy, **channels).with_id("LastStatistics")
    if any_driver:
        statistics.add_upstream_node(last)  # else the latest statistics would be this run's own
    return last


def _model_to_start_from(records: BaseNode, any_driver: bool) -> BaseNode:
    if any_driver:
        raise ConfigError(
            "training.warm_start is blessed, which a cluster's driver cannot look up",
            "training.warm_start: none on Kubeflow",
            "set it, or run by `eoseg run`",
        )
    return tfx.dsl.Resolver(
        strategy_class=BlessedOnOtherRecords,
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
        examples=records.outputs["examples"],
    ).with_id("ModelToStartFrom")


def _latest_blessed_model(trainer: BaseNode, any_driver: bool) -> BaseNode:
    channels = {
        "model": tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        "model_blessing": tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    }
    if any_driver:
        strategy = tfx.dsl.experimental.LatestBlessedModelStrategy
    else:
        strategy = LatestComparableBlessedModel
        channels["candidate"] = trainer.outputs["model"]
    return tfx.dsl.Resolver(strategy_class=strategy, **channels).with_id("LatestBlessedModel")
