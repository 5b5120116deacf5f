"""A description of a network is foreign: what it asks for is bounded by the weights beside it."""

from pathlib import Path

import pytest
import torch
from torch import nn

from models.given_files.described_network import Description, build_with_weights
from models.given_files.safe_load import ModelFileError

PATH, WEIGHTS = Path("net.json"), Path("weights.safetensors")


def layers(sizes):
    return nn.Sequential(*(nn.Linear(*pair) for pair in sizes))


def described(*sizes, values=None):
    given = [*sizes] if values is None else values
    return Description(PATH, "a network of two layers", given, lambda: layers(sizes))


STATE = layers([(3, 5), (5, 7)]).state_dict()


def test_the_weights_are_in_the_network():
    network = build_with_weights(described((3, 5), (5, 7)), STATE, WEIGHTS)
    assert torch.equal(network[1].weight, STATE["1.weight"])
    assert network[0].weight.device.type == "cpu"


@pytest.mark.parametrize(
    ("sizes", "named"),
    [
        (((3, 5), (5, 2**40)), r"net\.json.*1099511627776"),  # 20 TB
        (((3, 5), (9000, 9000)), r"weights\.safetensors.*two layers.*1\."),  # refused unbuilt
        (((3, 5),), r"weights\.safetensors.*1\."),
        (((3, 5), (5, 7), (7, 2)), r"weights\.safetensors.*2\."),
        (((3, 5), (5, -7)), r"net\.json"),
    ],
)
def test_sizes_are_those_of_the_weights(sizes, named):
    with pytest.raises(ModelFileError, match=named):
        build_with_weights(described(*sizes), STATE, WEIGHTS)


def test_a_network_that_does_not_fit_is_never_built():
    built = []

    def build():
        built.append(torch.empty(0).device.type)
        return layers([(3, 5), (5, 8)])

    with pytest.raises(ModelFileError, match=r"1\.bias"):
        build_with_weights(Description(PATH, "a network", [], build), STATE, WEIGHTS)
    assert built == ["meta"]


def test_a_network_that_needs_values_to_be_built_is():
    def build():
        if torch.ones(1).item() != 1:  # of a tensor without values, an error
            raise AssertionError
        return layers([(3, 5), (5, 7)])

    network = build_with_weights(Description(PATH, "a network", [], build), STATE, WEIGHTS)
    assert torch.equal(network[0].bias, STATE["0.bias"])


def test_what_is_no_tensor_is_named():
    with pytest.raises(ModelFileError, match=r"weights\.safetensors.*0\.bias"):
        build_with_weights(described((3, 5), (5, 7)), {**STATE, "0.bias": 1}, WEIGHTS)


def test_sizes_below_other_values_are_bounded_too():
    values = {"name": "net", "layers": [{"sides": (3, 2**40)}]}
    with pytest.raises(ModelFileError, match=r"net\.json.*1099511627776"):
        build_with_weights(described((3, 5), (5, 7), values=values), STATE, WEIGHTS)
