"""What no training can come of is refused without Keras."""

import subprocess
import sys

import pytest

from components.errors import NetworkError
from components.training.network_fit import check_batch
from components.training.network_options import NetworkOptions


@pytest.mark.parametrize("name", ["pspnet", "deeplabv3plus"])
def test_networks_that_normalise_the_mean_of_a_patch_need_two_on_each_device(name: str) -> None:
    options = NetworkOptions.model_validate({"name": name})
    check_batch(options, 2)
    check_batch(options, 8, devices=4)
    with pytest.raises(NetworkError, match=r"cannot be trained with training\.batch_size 1: ") as caught:
        check_batch(options, 1)
    assert caught.value.remedy == "set training.batch_size to 2 or more"
    with pytest.raises(NetworkError, match=r"training\.batch_size 4 on 4 devices") as caught:
        check_batch(options, 4, devices=4)
    assert caught.value.remedy == "set training.batch_size to 8 or more"


@pytest.mark.parametrize("name", ["segnet", "unet", "fcn"])
def test_other_networks_learn_from_one_patch(name: str) -> None:
    check_batch(NetworkOptions.model_validate({"name": name}), 1)


def test_asking_imports_no_keras() -> None:
    program = "import sys, components.training.network_fit; print(sorted({'keras', 'tensorflow'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
