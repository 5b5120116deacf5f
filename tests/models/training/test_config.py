from dataclasses import fields

import yaml

from models.training.config import LossWeights
from tests.conftest import ROOT


def test_the_fields_are_the_keys_of_params_yaml():
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["train"]["loss"]
    assert {field.name for field in fields(LossWeights)} == set(values)
