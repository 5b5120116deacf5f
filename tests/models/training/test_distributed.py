"""Two processes with half a batch each, against one with all of it."""

import multiprocessing
from dataclasses import fields, replace

import pytest
import torch
from torch import distributed

from models.training.distributed import (
    all_gather_batch,
    all_reduce_mean,
    global_count,
    num_processes,
    scale_to_global_batch,
)
from models.training.losses import compute_losses
from tests.models.grounder.tiny_grounder import WEIGHTS, tiny_grounder, tiny_inputs, tiny_scorer

PIXELS = {"images", "clean_images"}  # whose second axis is as long as that of phrases
PAIRS = ("box_priors", "box_colours", "anchor_priors", "anchor_colours")  # of phrases and boxes


def half(inputs, rank):
    """Return one image of the batch; the second with fewer phrases and boxes, as collate does."""
    values = {field.name: getattr(inputs, field.name)[rank : rank + 1] for field in fields(inputs)}
    alone = replace(inputs, **values)
    if rank == 0:
        return alone
    fewer = {
        name: value[:, :2]
        for name, value in values.items()
        if value.shape[1:2] == inputs.phrase_mask.shape[1:] and name not in PIXELS
    }
    alone = replace(alone, **fewer)
    boxes = {name: getattr(alone, name)[:, :3] for name in values if name.startswith("box")}
    pairs = {name: getattr(alone, name)[:, :, :3] for name in PAIRS}
    earlier = {"earlier_priors": alone.earlier_priors[..., :3]}
    return replace(alone, **{**boxes, **pairs, **earlier})


def learned(inputs, teacher="both"):
    grounder = tiny_grounder(teacher=teacher)
    losses = compute_losses(
        grounder(inputs), inputs, grounder.spec, WEIGHTS, tiny_scorer(), progress=1.0
    )
    losses["loss"].backward()
    grads = {name: p.grad for name, p in grounder.named_parameters() if p.grad is not None}
    return {name: value.detach() for name, value in losses.items()}, grads


def work(rank, folder):
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2
    )
    count = global_count(torch.tensor([3, 8][rank]))
    own = torch.tensor(1.0 + rank)
    assert (all_reduce_mean(own).item(), own.item()) == (1.5, 1 + rank)
    joined = all_gather_batch(torch.full((1, rank + 1), rank + 1.0))
    found = learned(half(tiny_inputs(), rank))
    torch.save((count, joined, *found), folder / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    folder = tmp_path_factory.mktemp("team")
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=work, args=(rank, folder)) for rank in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(200)
    assert [worker.exitcode for worker in workers] == [0, 0]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def test_a_count_is_the_whole_batchs_over_the_number_of_processes(halves):
    assert [half[0].item() for half in halves] == [5.5, 5.5]


def test_parts_are_padded_and_put_together_in_the_order_of_processes(halves):
    assert [half[1].tolist() for half in halves] == [[[1, 0], [2, 2]]] * 2


def test_every_loss_is_on_average_that_of_the_whole_batch(halves):
    whole, _ = learned(tiny_inputs())
    for name, value in whole.items():
        mean = (halves[0][2][name] + halves[1][2][name]) / 2
        torch.testing.assert_close(mean, value, rtol=1e-5, atol=1e-6, msg=name)


def test_every_gradient_is_on_average_that_of_the_whole_batch(halves):
    _, whole = learned(tiny_inputs())
    largest = max(grad.abs().max() for grad in whole.values())
    for name, grad in whole.items():
        mean = (halves[0][3][name] + halves[1][3][name]) / 2
        torch.testing.assert_close(mean, grad, rtol=1e-4, atol=1e-5 * float(largest), msg=name)


def test_one_process_alone_changes_nothing_but_a_count_of_zero():
    values = torch.tensor([3, 0], dtype=torch.int64)
    assert num_processes() == 1
    assert torch.equal(all_reduce_mean(values), torch.tensor([3.0, 0.0]))
    assert all_reduce_mean(values.double()).dtype == torch.float32
    assert not all_reduce_mean(torch.ones(2, requires_grad=True)).requires_grad
    assert torch.equal(global_count(values), torch.tensor([3.0, 1.0]))
    assert all_gather_batch(values) is values
    loss = torch.tensor(2.0, requires_grad=True)
    scale_to_global_batch(loss).backward()
    assert (scale_to_global_batch(loss).item(), loss.grad.item()) == (2.0, 1.0)
