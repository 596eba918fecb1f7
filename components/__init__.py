"""The work of the pipeline, in flow order: tiles, records, data set, network, evaluation, pushed version."""
