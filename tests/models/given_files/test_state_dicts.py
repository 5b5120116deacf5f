from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from models.given_files.state_dicts import WRAPPERS, state_dict_of

STATE = {"conv.weight": torch.arange(6.0).view(2, 3), "conv.bias": torch.tensor([5.0, 7.0])}


def assert_is_state(found):
    assert list(found) == list(STATE)
    for name, value in STATE.items():
        torch.testing.assert_close(torch.as_tensor(found[name]), value, rtol=0, atol=0)


def prefixed(prefix, **more):
    return {**{prefix + key: value for key, value in STATE.items()}, **more}


@pytest.mark.parametrize("key", WRAPPERS)
def test_weights_below_any_of_the_keys_are_found(key):
    assert_is_state(state_dict_of({"epoch": 3, key: dict(STATE), "optimizer": {"state": {}}}))
    assert_is_state(state_dict_of({key: {"module": dict(STATE), "updates": 7}}))


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod.model."])
def test_a_prefix_that_all_names_share_goes(prefix):
    assert_is_state(state_dict_of({"state_dict": prefixed(prefix)}))


def test_a_network_may_have_a_part_named_model_and_others():
    state = {"model.weight": torch.ones(2), "head.weight": torch.ones(3)}
    assert list(state_dict_of(dict(state))) == list(state)


def test_the_counter_of_an_averaged_model_goes_with_its_prefix():
    averaged = torch.optim.swa_utils.AveragedModel(
        nn.Sequential(OrderedDict(conv=nn.Conv2d(2, 3, 1)))
    )
    assert "n_averaged" in averaged.state_dict()
    assert list(state_dict_of({"ema": averaged.state_dict()})) == ["conv.weight", "conv.bias"]


@pytest.mark.parametrize("wrap", [lambda net: net, nn.DataParallel])
def test_a_network_takes_its_own_weights_back_with_their_version(wrap):
    network = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    found = state_dict_of({"model": wrap(network).state_dict()})
    assert list(found) == list(network.state_dict())
    assert found._metadata["1"]["version"] == 2
    network.load_state_dict(found)


@pytest.mark.parametrize("key", [7, None, ("a", 1)])
def test_names_that_are_no_texts_become_texts(key):
    assert list(state_dict_of({"model": {key: torch.ones(1)}})) == [str(key)]


@pytest.mark.parametrize("metadata", [5, {3: {}}, {"": {"version": 1}, 7: {}}])
def test_metadata_that_is_none_of_a_network_is_left_out(metadata):
    state = OrderedDict(prefixed("module."))
    state._metadata = metadata
    found = state_dict_of({"state_dict": state})
    assert_is_state(found)
    assert not hasattr(found, "_metadata")


def test_arrays_of_numbers_are_weights():
    assert_is_state(state_dict_of({"model": {key: value.numpy() for key, value in STATE.items()}}))
    found = state_dict_of({"a": np.ones((2, 3), np.float32), "__author__": "x"})
    assert list(found) == ["a"]
    with pytest.raises(ValueError, match="names"):
        state_dict_of({"a": np.ones(2), "names": np.array(["x"])})


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        ({"model": STATE, "ema": STATE}, ("model", "ema")),
        ({"state_dict": STATE, "ema_state_dict": STATE}, ("state_dict", "ema_state_dict")),
        ({**STATE, "params_ema": STATE}, ("top", "params_ema")),
        ({"model": {"net": STATE, "ema": {"module": STATE}}}, ("model.net", "model.ema.module")),
        (
            prefixed("module.", **{"conv.scale": torch.ones(1)}),
            ("module.conv.weight", "conv.scale"),
        ),
        ({"generator": STATE, "epoch": 3}, ("generator", "epoch")),
        ({"state_dict": {}}, ("state_dict",)),
        ({}, ("nothing",)),
    ],
)
def test_what_is_ambiguous_or_empty_is_refused_with_its_keys(content, keys):
    with pytest.raises(ValueError, match=r"holds|begins") as raised:
        state_dict_of(content)
    assert all(key in str(raised.value) for key in keys)


@pytest.mark.parametrize("mark", [{"message_hub": {}}, {"meta": {"mmengine_version": "0.10.7"}}])
def test_of_what_mmengine_saved_the_state_dict_counts(mark):
    other = {key: -value for key, value in STATE.items()}
    assert_is_state(state_dict_of({"state_dict": dict(STATE), "ema_state_dict": other, **mark}))
