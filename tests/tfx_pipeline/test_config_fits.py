"""What fits no data, batch or search is refused when the configuration is read, by every command alike."""

from pathlib import Path

import pytest

from components.errors import EosegError
from tests.tfx_pipeline.test_load_config import write
from tfx_pipeline.load_config import load_config


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["patches.size=100"], "SegNet cannot take patches of 100 px"),
        (["network.fusion=fusenet", "network.branches={a: [red], b: [dsm]}"], r"network\.branches names dsm"),
        (["network.name=pspnet", "training.batch_size=1"], r"PSPNet cannot be trained with training\.batch_size 1"),
        (["tuning.widths=[0.5, 5]"], r"tuning\.widths.*less than or equal to 4"),
        (["tuning.widths=[0.5, 1]", "network.pretrained=imagenet"], r"weights of network\.pretrained are of width 1"),
        (["tuning.trials=2", "training.strategy=multi_worker"], r"tuning searches on one machine"),
        (["training.loss=dice", "training.class_weights={roof: 2}"], "no mean over pixels that they could weigh"),
    ],
)
def test_a_network_that_could_not_be_trained_is_refused_at_once(
    overrides: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(EosegError, match=message):
        load_config(write(tmp_path), overrides)


def test_given_class_weights_are_heeded_where_one_of_the_searched_losses_takes_them(tmp_path: Path) -> None:
    overrides = ["training.loss=dice", "training.class_weights={roof: 2}", "tuning.losses=[dice, focal]"]
    assert load_config(write(tmp_path), overrides).tuning is not None
