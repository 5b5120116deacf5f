"""A description of a network is foreign: what it asks for is bounded by the weights beside it."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from models.given_files.described_network import BoundedTensors, Description, build_with_weights
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
        (((3, 5), (5, 900)), r"weights\.safetensors.*two layers.*1\."),
        (((3, 5), (9000, 9000)), r"net\.json"),  # 324 MB
        (((3, 5),), r"weights\.safetensors.*1\."),
        (((3, 5), (5, 7), (7, 2)), r"weights\.safetensors.*2\."),
        (((3, 5), (5, -7)), r"net\.json"),
    ],
)
def test_sizes_are_those_of_the_weights(sizes, named):
    with pytest.raises(ModelFileError, match=named):
        build_with_weights(described(*sizes), STATE, WEIGHTS)


def test_the_first_weights_that_do_not_fit_are_named_with_the_shapes_of_both():
    sizes = [(2, number) for number in range(3, 9)]
    state = {**layers(sizes).state_dict(), "3.more": torch.zeros(4, 1)}
    del state["1.bias"], state["1.weight"]
    network = Description(PATH, "a network", [], lambda: layers([(2, 3)] * 4 + sizes[4:]))
    with pytest.raises(ModelFileError, match=r"weights\.safetensors") as raised:
        build_with_weights(network, state, WEIGHTS)
    found = re.findall(r"(\d\.\w+).*?(\(.*?\)|None).*?(\(.*?\)|None)", str(raised.value))
    assert found == [
        ("1.bias", "(3,)", "None"),
        ("1.weight", "(3, 2)", "None"),
        ("2.bias", "(3,)", "(5,)"),
        ("2.weight", "(3, 2)", "(5, 2)"),
    ]
    with pytest.raises(ModelFileError, match=r"weights\.safetensors.*3\.more.*None.*\(4, 1\)"):
        build_with_weights(
            Description(PATH, "a network", [], lambda: layers([(2, 3)])),
            {**layers([(2, 3)]).state_dict(), "3.more": torch.zeros(4, 1)},
            WEIGHTS,
        )


def test_a_network_that_takes_more_than_its_weights_is_not_built_to_its_end():
    built = []

    def build():
        for number in range(100):  # 10 GB, of sizes that may be
            built.append(number)
            nn.Linear(5000, 5000)

    with pytest.raises(ModelFileError, match=r"net\.json"):
        build_with_weights(Description(PATH, "a network", [], build), STATE, WEIGHTS)
    assert built == [0]


@pytest.mark.parametrize("extra", [0, 1])
def test_new_values_are_bounded_by_ten_million_and_four_times_those_of_the_files(extra):
    def make():
        parts = torch.empty(4_000_000), torch.empty(2, 3_000_000 + 6)  # what others hold is free
        parts[0].view(2000, 2000), torch.narrow(input=parts[1], dim=0, start=0, length=1)
        torch.empty(extra)

    with BoundedTensors(3):
        if not extra:
            make()
            return
        with pytest.raises(ValueError, match="memory"):
            make()


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
    with pytest.raises(ModelFileError, match=r"weights\.safetensors.*17"):
        build_with_weights(described((3, 5), (5, 7)), {**STATE, 17: torch.ones(1)}, WEIGHTS)


def test_sizes_below_other_values_are_bounded_too():
    values = {"name": "net", "layers": [{"sides": (3, 2**40)}]}
    with pytest.raises(ModelFileError, match=r"net\.json.*1099511627776"):
        build_with_weights(described((3, 5), (5, 7), values=values), STATE, WEIGHTS)
