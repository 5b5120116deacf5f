from dataclasses import fields

import torch

from models.grounder.batch import GroundingInputs
from tests.models.grounder.tiny_grounder import tiny_inputs


def test_every_field_goes_to_the_device_and_keeps_shape_and_dtype():
    inputs = tiny_inputs()
    batch = {field.name: getattr(inputs, field.name) for field in fields(inputs)}
    moved = GroundingInputs.from_batch(batch, torch.device("meta"))
    for name, before in batch.items():
        after = getattr(moved, name)
        assert after.device.type == "meta", name
        assert (after.shape, after.dtype) == (before.shape, before.dtype), name


def test_labels_tell_something_where_a_real_box_fits_better_than_another():
    inputs = tiny_inputs()
    real, padded = inputs.box_mask[1], ~inputs.box_mask[1]
    inputs.box_priors[1, 0] = 1.0 * real  # all real boxes alike, padding not
    inputs.box_priors[1, 1] = 0.5 * real  # fits all, none wholly
    inputs.box_priors[1, 2] = 1.0 * padded  # fits padding alone
    assert inputs.has_fit[1].tolist() == [[False], [True], [False]]
