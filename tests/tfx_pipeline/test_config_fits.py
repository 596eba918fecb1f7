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
        (["training.loss=dice", "training.class_weights={roof: 2}"], r"training\.class_weights .* no mean over"),
        (["training.loss=dice", "training.max_class_weight=3"], r"training\.max_class_weight .* no mean over pixels"),
        (["training.loss={cross_entropy: 1, auxiliary: 0.9}"], r"auxiliary is 0\.9, but the network has no further"),
        (
            ["network={name: pspnet, deep_supervision: true}", "training.loss={dice: 1, auxiliary: 0}"],
            "leaves nothing of PSPNet's",
        ),
        (["training.weight_decay=0", "training.weight_decay_kind=l2"], "weight_decay is 0"),
        (["training.schedule=steps", "training.decay_at=[]"], "decay_at is empty"),
        (["training.class_weights={roof: 1.e+39}"], r"class_weights\.roof: 1e\+39 is no number in float32"),
        (["training.learning_rate=1.e-46"], r"learning_rate: 1e-46 is no number in float32"),
        (["training.loss={lovasz: 1.e+300}"], r"loss\.lovasz: 1e\+300 is no number in float32"),
        (["training.steps=3000000000"], r"training\.steps: .*less than or equal to 2147483647"),
        (["training.batch_size=3000000000"], r"training\.batch_size: .*less than or equal to"),
        (["training.steps=true"], r"training: steps is true; give a number"),
        (["tuning.widths=[0.5, 0.5]"], r"tuning\.widths: the choice 0\.5 is given twice"),
        (["sample_scenes.tiles=3", "data.root=/tiles"], r"data\.root is /tiles, but sample_scenes are generated"),
        (["training.loss={dice: 1, dice: 2}"], "stands twice"),
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
