"""A training whose numbers stop being finite: it ends, says where, and keeps what was good."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.given_files.safe_load import ModelFileError
from models.grounder.checkpoint import load_grounder, save_grounder
from pipeline.errors import InputError
from pipeline.evaluation.inference import load_inference
from pipeline.observe.observer import Observer
from pipeline.params.read import read_params, train_params
from pipeline.params.schema import RuntimeParams
from pipeline.paths import ResultFiles
from pipeline.samples.grounding_tables import GroundingTables
from pipeline.samples.sampler import EpochSampler
from pipeline.serving.phrase_grounder import PhraseGrounder
from pipeline.training.checkpoints import checkpoint_path
from pipeline.training.processes import Machine, ProcessGroup
from stages.train import build_training, run, train
from tests.cached_world import FILES, write_world
from tests.models.grounder.tiny_grounder import tiny_grounder
from tests.stages.two_processes import train_in_two

IMAGES, CPU = FILES.annotations / "images", torch.device("cpu")
RESULTS = ResultFiles("shapes", "full")


class Acts(Observer):
    """Calls a function when the end of the given epoch is logged."""

    def __init__(self, epoch=0, act=None):
        super().__init__("train")
        self.epoch, self.act, self.messages = epoch, act, []

    def log(self, message):
        self.messages.append(message)
        if message.startswith(f"epoch {self.epoch}/"):
            self.act()


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


def machine(observer=None):
    return Machine(ProcessGroup(0, 1, CPU), 0, observer or Observer("train"))


def run_stage(observer=None):
    run(FILES, IMAGES, train_params(read_params(), "full"), RESULTS, machine(observer))


def built():
    params = train_params(read_params(), "full")
    torch.manual_seed(0)
    tables = GroundingTables.from_caches(FILES, IMAGES, ("train",))
    return *build_training(FILES, tables, params, CPU), params


def ids_of(dataset, params, epoch, step):
    """Return the images of a step, from what the sampler of one process yields."""
    sampler = EpochSampler(dataset.tables.phrases_of_image, params.phrases_per_image, params.seed)
    sampler.set_epoch(epoch)
    some = list(sampler)[step * params.batch_images : (step + 1) * params.batch_images]
    return {dataset.tables.images[sample.image_index].image_id for sample in some}


def named_ids(message):
    return set(message.partition("on the images ")[2].partition(";")[0].split(", "))


def test_a_rate_that_is_too_high_ends_the_training_without_a_model(here):
    write_world(here, learning_rate=1e6)
    with pytest.raises(InputError, match=r"at step \d+, in epoch 1, on the images .*: none yet"):
        run_stage()
    assert not RESULTS.model.exists()
    assert not RESULTS.curves.exists()
    assert not list(here.glob(".work/train/*/epoch_*.pth"))


def test_the_first_bad_step_is_named_with_its_images_and_the_last_good_checkpoint(here):
    write_world(here, epochs=3)
    step, dataset, params = built()

    def poison():
        step.grounder.phrase_embedding.weight.data[0, 0] = torch.nan

    with pytest.raises(InputError) as stopped:
        train(step, dataset, params, here, machine(Acts(1, poison)))
    message = str(stopped.value)
    assert "at step 4, in epoch 2" in message  # of 3 steps an epoch
    assert named_ids(message) == ids_of(dataset, params, 1, 0)
    assert f"{checkpoint_path(here, 1)}, after epoch 1" in message
    step, dataset, params = built()
    observer = Acts()
    train(step, dataset, params, here, machine(observer))
    assert observer.messages[0] == "goes on after epoch 1 of 3"


def test_a_gradient_that_is_not_finite_ends_it_though_the_loss_is(here):
    write_world(here, epochs=1)
    step, dataset, params = built()
    step.grounder.phrase_embedding.weight.register_hook(lambda grad: grad * torch.inf)
    with pytest.raises(InputError, match=r"gradient norm is .* at step 1, in epoch 1"):
        train(step, dataset, params, here, machine())


def test_a_weight_that_no_loss_reads_is_in_no_checkpoint(here, monkeypatch):
    write_world(here, epochs=2)
    step, dataset, params = built()
    step.grounder.register_buffer("idle", torch.zeros(3))
    update = torch.optim.AdamW.step

    def spoil(optimiser, *args, **kwargs):
        step.grounder.idle[1] = -torch.inf
        return update(optimiser, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", spoil)
    with pytest.raises(InputError, match=r"grounder\.idle .* at step 3, in epoch 1"):
        train(step, dataset, params, here, machine())
    assert not list(here.glob("*.pth"))


def test_weights_that_are_bad_before_the_first_step_are_refused(here):
    write_world(here, epochs=0)
    step, dataset, params = built()
    step.grounder.scorer.embed.bias.data[2] = torch.nan
    with pytest.raises(InputError, match=r"before the first step: .*scorer\.embed\.bias"):
        train(step, dataset, params, here, machine())


def test_a_checkpoint_that_is_bad_is_refused_by_its_name(here):
    write_world(here, epochs=2)

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_stage(Acts(1, interrupt))
    (path,) = here.glob(".work/train/*/epoch_*.pth")
    content = torch.load(path, weights_only=False)
    content["state_dict"]["grounder.phrase_embedding.bias"][1] = torch.inf
    torch.save(content, path)
    with pytest.raises(InputError, match=r"epoch_000001\.pth: .*phrase_embedding\.bias"):
        run_stage()
    assert not RESULTS.model.exists()


def write_bad_model(here):
    """Train for no epoch, and put a NaN into the model's file."""
    write_world(here, epochs=0)
    run_stage()
    path = RESULTS.model / "grounder.safetensors"
    state = load_file(path)
    state["decoder.start.bias"][0] = torch.nan
    save_file(state, path)


def test_a_model_that_is_not_finite_is_neither_read_nor_written(here):
    write_bad_model(here)
    with pytest.raises(ModelFileError, match=r"grounder\.safetensors: .*decoder\.start\.bias"):
        load_grounder(RESULTS.model)
    with pytest.raises(InputError, match=r"grounder\.safetensors"):
        load_inference(RESULTS.model, RuntimeParams("cpu", 0, 4200))
    with pytest.raises(InputError, match=r"grounder\.safetensors"):
        PhraseGrounder.load(RESULTS.folder)
    grounder = tiny_grounder()
    grounder.phrase_embedding.bias.data[0] = torch.inf
    with pytest.raises(ModelFileError, match=r"phrase_embedding\.bias"):
        save_grounder(here / "new", grounder, None, ())
    assert not (here / "new").exists()


def test_several_processes_stop_together(here):
    write_world(here, learning_rate=1e6, epochs=2)
    (first, second), messages = train_in_two(here)
    assert (first, second) == (1, 1)
    assert len(messages) == 2
    assert all(message.startswith("train: ") for message in messages)
    assert not RESULTS.model.exists()
