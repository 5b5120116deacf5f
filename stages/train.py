"""Stage `train`: the grounder, from images and phrases alone.

reads   annotations/ (images, phrases), weights/, nouns.h5, proposals.h5, noun_head/, cams.h5
writes  model/, curves.csv
params  train, as the variant changes it

An unfinished training, in `$DVC_ROOT/.work/train/<fingerprint>/`, goes on from its last checkpoint.
"""

import shutil
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from models.classifier.classifier import load_classifier
from models.grad_cam.load_scorer import ScorerSource, load_scorer
from models.grad_cam.scorer import NounScorer
from models.grounder.checkpoint import (
    Vocabularies,
    save_grounder,
    untrained_grounder,
    untrained_language,
)
from models.grounder.config import LanguageSizes, parse_depth
from models.grounder.grounder import Grounder
from models.layers.folded_norm import fold_batch_norms
from models.mmengine_parts import AmpOptimWrapper, OptimWrapper
from models.noun_classes.detector_labels import noun_label_matches
from models.training.remembered import FrozenMemory, remember_frozen
from models.training.training_step import TrainingStep
from pipeline.caching.atomic import as_write_error, whole_file, whole_folder, work_folder
from pipeline.caching.fingerprint import fingerprint
from pipeline.command_line import stage_call
from pipeline.errors import InputError
from pipeline.params.read import train_params
from pipeline.params.train import TrainParams
from pipeline.paths import DatasetFiles, ResultFiles
from pipeline.runtime import pick_device, seed_everything
from pipeline.samples.dataset import GroundingDataset, build_training_dataset
from pipeline.samples.grounding_tables import GroundingTables
from pipeline.samples.loader import build_loader
from pipeline.samples.sample_spec import write_sample_spec
from pipeline.samples.sampler import EpochSampler
from pipeline.training.checkpoints import find_checkpoint
from pipeline.training.guard import FiniteGuard
from pipeline.training.loop import CURVES, GroundingRunner, Watch
from pipeline.training.processes import Machine, process_group, start_processes


def build_training(
    files: DatasetFiles, tables: GroundingTables, params: TrainParams, device: torch.device
) -> tuple[TrainingStep, GroundingDataset]:
    """Build what is trained, and on what, from what earlier stages made of the training split.

    Raises:
        ValueError: parts cannot be read or do not fit; `InputError` where a cache is wrong.
    """
    if params.precision == "fp16" and device.type != "cuda":
        raise InputError("train.precision: fp16 scales the loss, which needs CUDA; bf16 does not")
    language = untrained_language(
        files.weights / "language",
        LanguageSizes(
            **asdict(params.language),
            layers=parse_depth(params.model.depth)[1],
            dropout=params.model.dropout,
        ),
        tables.texts,
    )
    scorer = None
    if params.model.cam == "mine":
        source = ScorerSource(
            files.weights, files.noun_head, noun_label_matches, **tables.cam_scorer
        )
        scorer = load_scorer(source, tables.cams.names).to(device)
    nouns = scorer.nouns if scorer else ()
    dataset = build_training_dataset(tables, params, language.tokenizer, nouns)
    vocabulary = dataset.text.vocabulary
    place_words = vocabulary.known_ids(tables.place_texts) if params.model.place_weight else []
    sizes = Vocabularies(len(vocabulary), len(tables.proposals.names), place_words)
    classifier = load_classifier(files.weights / "classifier")
    grounder = untrained_grounder(
        params.model, sizes, classifier, language.encoder, language.is_pretrained
    )
    grounder.train_pretrained(params.learning_rate_pretrained > 0)
    speed_up(grounder, scorer, params)
    return TrainingStep(grounder, scorer, params.loss, params.precision), dataset


def speed_up(grounder: Grounder, scorer: NounScorer | None, params: TrainParams) -> None:
    """Set the networks to compute faster what they compute, as params say.

    Raises:
        InputError: frozen encoders shall remember, and none is frozen.
    """
    networks: list[nn.Module] = [grounder.visual_encoder.backbone.extract.network]
    networks += [scorer.network] if scorer else []
    for network in networks:
        if params.fold_batch_norms:
            fold_batch_norms(network)
        if params.channels_last:
            network.to(memory_format=torch.channels_last)
    if params.remember:
        memory = FrozenMemory(limit_bytes=params.remember_mb << 20)
        if not remember_frozen(grounder, memory, params.augment.changes_pictures):
            raise InputError(
                "train.remember: no encoder is frozen; set train.learning_rate_pretrained to 0"
            )
    if params.compile:
        grounder.visual_encoder.compile()


def build_optimiser(grounder: Grounder, params: TrainParams) -> OptimWrapper:
    """Return AdamW with one learning rate for new weights and one for pre-trained ones.

    The loss of `fp16` is scaled, so that small gradients do not vanish; that needs CUDA.
    """
    groups = [
        {"params": grounder.new_parameters(), "full_lr": params.learning_rate},
        {"params": grounder.pretrained_parameters(), "full_lr": params.learning_rate_pretrained},
    ]
    wrapper = AmpOptimWrapper if params.precision == "fp16" else OptimWrapper
    return wrapper(
        optimizer=torch.optim.AdamW(groups, weight_decay=params.weight_decay),
        accumulative_counts=params.accumulate_batches,
        clip_grad={"max_norm": params.grad_clip_norm},
    )


def train(
    step: TrainingStep,
    dataset: GroundingDataset,
    params: TrainParams,
    folder: Path,
    machine: Machine,
) -> None:
    """Train the grounder in place, on from where the last run in `folder` was cut off.

    Raises:
        InputError: a loss, gradient or weight is not finite, or a process that makes batches was
            killed; what is in `folder` stays good.
    """
    group, images = machine.group, dataset.tables.images
    phrases, part = dataset.tables.phrases_of_image, (group.rank, group.num_processes)
    sampler = EpochSampler(phrases, params.phrases_per_image, params.seed, part)
    batch_images = -(-params.batch_images // group.num_processes)
    checkpoint = find_checkpoint(folder, machine.observer.log)

    def image_ids(epoch: int, index: int) -> list[str]:
        samples = sampler.step_samples(epoch, index, batch_images)
        return [images[sample.image_index].image_id for sample in samples]

    guard = FiniteGuard(folder, image_ids)
    loader = build_loader(dataset, sampler, batch_images, machine.workers)
    runner = GroundingRunner(
        group,
        model=step,
        work_dir=str(folder),
        train_dataloader=loader,
        train_cfg={"by_epoch": True, "max_epochs": params.epochs},
        optim_wrapper=build_optimiser(step.grounder, params),
        custom_hooks=[Watch(step, params, folder, machine.observer, guard)],
        load_from=None if checkpoint is None else str(checkpoint),
        resume=checkpoint is not None,
        randomness={"seed": params.seed},
    )
    with loader.naming_lost_samples():
        runner.train()


def run(
    files: DatasetFiles, images: Path, params: TrainParams, results: ResultFiles, machine: Machine
) -> None:
    """Train on the images and phrases of `files`; write the model and the curves of `results`."""
    seed_everything(params.seed)
    upstream = [files.annotations, files.weights, files.nouns, files.proposals]
    stamp = fingerprint(Path(__file__), params, [*upstream, files.noun_head, files.cams])
    machine.observer.fact("fingerprint", stamp)
    folder = work_folder("train", stamp)
    with as_write_error(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        tables = GroundingTables.from_caches(files, images, ("train",)).with_labels_compared(
            params.labels, files.weights
        )
        step, dataset = build_training(files, tables, params, machine.group.device)
    except ValueError as error:
        raise InputError(f"train cannot begin: {error}") from error
    train(step, dataset, params, folder, machine)
    if machine.group.rank == 0:
        text = dataset.text
        with whole_folder(results.model) as fresh:
            save_grounder(fresh, step.grounder, text.tokenize.tokenizer, text.vocabulary.words)
            write_sample_spec(fresh, dataset.spec)
        with whole_file(results.curves) as fresh:
            shutil.copyfile(folder / CURVES, fresh)
        shutil.rmtree(folder)


def main() -> None:
    """Train the variant that the command line names."""
    call = stage_call(__doc__, variant=True)
    start_processes("stages.train")
    params, workers = train_params(call.params, call.variant), call.params.runtime.workers
    with process_group(pick_device(call.params.runtime.device)) as group:
        call.run(
            "train",
            lambda observer: run(
                call.files,
                call.image_folder,
                params,
                call.results,
                Machine(group, workers, observer),
            ),
        )


if __name__ == "__main__":
    main()
