import json

import pytest
from pydantic import ValidationError

from components.training.network_options import NetworkOptions

BRANCHES = {"optical": ["infrared", "red", "green"], "height": ["dsm"]}


def test_the_home_directory_and_variables_are_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("WEIGHTS", "vgg")
    assert NetworkOptions(pretrained="~/$WEIGHTS.h5").pretrained_path == "/home/someone/vgg.h5"
    assert NetworkOptions(pretrained="imagenet").pretrained_path == "imagenet"
    assert NetworkOptions(pretrained="~nobody here/x.h5").pretrained_path == "~nobody here/x.h5"
    monkeypatch.setenv("WEIGHTS", "/w/net.caffemodel")
    with pytest.raises(ValidationError, match="read for segnet without fusion only"):
        NetworkOptions(name="fcn", pretrained="$WEIGHTS")


def test_the_default_is_segnet_from_scratch():
    options = NetworkOptions()
    assert (options.name, options.width, options.pretrained, options.fusion) == ("segnet", 1.0, "none", "none")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"name": "resnet"}, "segnet"),
        ({"name": "unet", "output_stride": 8}, "unet has no output_stride; it belongs to pspnet, deeplabv3plus"),
        ({"name": "fcn", "fusion": "fusenet", "branches": BRANCHES}, "fcn has no branches; it belongs to segnet"),
        ({"name": "segnet", "encoder": "resnet50"}, "segnet has no encoder"),
        ({"name": "deeplabv3plus", "deep_supervision": True}, "deeplabv3plus has no deep_supervision"),
        ({"fusion": "fusenet"}, "give branches two names"),
        ({"fusion": "fusenet", "branches": {"optical": ["red"]}}, "give branches two names"),
        ({"branches": BRANCHES}, "no fusion"),
        ({"fusion": "vfusenet", "branches": {"virtual": ["red"], "height": ["dsm"]}}, "virtual"),
        ({"fusion": "fusenet", "branches": {"encoder": ["red"], "height": ["dsm"]}}, "no branch can be called encoder"),
        ({"pretrained": "imagenet", "width": 0.25}, "width 1, not 0.25"),
        ({"pretrained": "s3://weights/vgg16.h5"}, "is no local path"),
        ({"pretrained": "imagenet", "name": "unet"}, "set encoder resnet50"),
        ({"pretrained": "x.caffemodel", "name": "fcn"}, "for segnet without fusion only"),
        ({"pretrained_bands": {"red": "red"}}, "no pretrained"),
        ({"classifier_kernels": []}, "at least 1"),
        ({"classifier_kernels": [4]}, "classifier_kernels"),
        ({"classifier_kernels": [3, 3]}, "the kernel size 3 is given twice"),
        ({"fusion": "fusenet", "branches": {"a": ["red", "red"], "b": ["dsm"]}}, "the band red is given twice"),
        (
            {"fusion": "fusenet", "branches": [{"name": name, "bands": ["red"]} for name in "abb"]},
            "give branches two names",
        ),
        ({"fusion": "fusenet", "branches": "optical"}, "give two names with their bands"),
        ({"name": "pspnet", "output_stride": 64}, "8, 16 or 32"),
        ({"nam": "segnet"}, "nam"),
    ],
)
def test_what_does_not_fit_together_is_refused(keys: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        NetworkOptions(**keys)


def test_the_first_branch_stays_the_first_through_json_that_sorts_keys():
    options = NetworkOptions.model_validate({"fusion": "fusenet", "branches": BRANCHES})
    sent = json.dumps(options.model_dump(mode="json"), sort_keys=True)
    received = NetworkOptions.model_validate_json(sent)
    assert received == options
    assert [(branch.name, branch.bands) for branch in received.branches] == [
        ("optical", ("infrared", "red", "green")),
        ("height", ("dsm",)),
    ]
