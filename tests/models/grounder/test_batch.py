from dataclasses import fields

import torch

from tests.models.grounder.tiny_grounder import tiny_inputs


def test_every_field_goes_to_the_device_and_keeps_shape_and_dtype():
    inputs = tiny_inputs()
    moved = inputs.to(torch.device("meta"))
    for field in fields(inputs):
        before, after = getattr(inputs, field.name), getattr(moved, field.name)
        assert after.device.type == "meta", field.name
        assert (after.shape, after.dtype) == (before.shape, before.dtype), field.name


def test_values_are_the_same_on_the_device_where_they_are():
    inputs = tiny_inputs()
    again = inputs.to(torch.device("cpu"))
    assert all(torch.equal(getattr(again, f.name), getattr(inputs, f.name)) for f in fields(inputs))


def test_labels_tell_something_where_a_real_box_fits_better_than_another():
    inputs = tiny_inputs()
    real, padded = inputs.box_mask[1], ~inputs.box_mask[1]
    inputs.box_priors[1, 0] = 1.0 * real  # all real boxes alike, padding not
    inputs.box_priors[1, 1] = 0.5 * real  # fits all, none wholly
    inputs.box_priors[1, 2] = 1.0 * padded  # fits padding alone
    assert inputs.has_fit[1].tolist() == [[False], [True], [False]]
