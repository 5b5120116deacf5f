"""Stage `train`: the grounder, from images and phrases alone.

reads   annotations/ (images, phrases), weights/, nouns.h5, proposals.h5, noun_head/, cams.h5
writes  model/, curves.csv
params  train, as the variant changes it

An unfinished training, in `$DVC_ROOT/.work/train/<fingerprint>/`, goes on from its last epoch.
"""

import os
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import nn
from typing_extensions import override

from models.grounder import Grounder
from models.grounder_files import save_grounder
from models.grounder_spec import parse_depth
from models.language_encoder import LanguageSizes
from models.losses import LossWeights
from models.scorer_choice import ScorerSource, load_scorer
from models.team import shared_mean
from models.training_step import TrainingStep
from models.untrained import untrained_grounder, untrained_language
from pipeline.atomic import whole_file, whole_folder
from pipeline.collate import build_loader
from pipeline.curves import CurveFile
from pipeline.dataset import GroundingDataset, build_training_dataset
from pipeline.datasets.locate import image_folder
from pipeline.draws import EpochSampler
from pipeline.errors import InputError
from pipeline.joined import JoinedCaches
from pipeline.label_words import match_matrix
from pipeline.layout import DatasetFiles, ResultFiles
from pipeline.observe import Observer, run_stage
from pipeline.processes import Machine, Team, joined_team, start_team
from pipeline.provenance import fingerprint
from pipeline.runtime import pick_device, seed_everything, stage_arguments
from pipeline.sample_spec import write_sample_spec
from pipeline.schedule import rate_factor
from pipeline.sections import read_params, train_params
from pipeline.train_sections import TrainParams, picked

STEPS_PER_ROW = 10  # of curves.csv
CHECKPOINT, CURVES = "last.pth", "curves.csv"
_OFF = dict.fromkeys(("logger", "timer", "runtime_info", "checkpoint", "param_scheduler"))


class Watch(Hook):
    """Seeds every epoch, sets the learning rate, writes curves and checkpoints."""

    def __init__(
        self, step: TrainingStep, params: TrainParams, folder: Path, say: Observer
    ) -> None:
        self._step, self._params, self._folder, self._observer = step, params, folder, say

    @override
    def before_train(self, runner: Runner) -> None:
        self._curves = CurveFile(self._folder / CURVES, STEPS_PER_ROW, runner.epoch)
        if runner.epoch:
            self._observer.log(f"goes on after epoch {runner.epoch} of {runner.max_epochs}")

    @override
    def before_train_epoch(self, runner: Runner) -> None:
        seeds = np.random.SeedSequence((self._params.seed, runner.epoch, runner.rank))
        torch.manual_seed(int(seeds.generate_state(1)[0]))  # of dropout
        runner.optim_wrapper.zero_grad()
        self._started = time.monotonic()
        steps = len(runner.train_dataloader)
        label = f"epoch {runner.epoch + 1}/{runner.max_epochs}"
        self._bar = iter(self._observer.progress(range(steps), steps, label))

    @override
    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self._step.progress = runner.iter / runner.max_iters
        factor = rate_factor(runner.iter, runner.max_iters, self._params.warmup_fraction)
        for group in runner.optim_wrapper.optimizer.param_groups:
            group["lr"] = group["full_lr"] * factor
        if batch_idx == 0:
            self._first_batch = data_batch  # a full one

    @override
    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        measured = shared_mean(torch.stack([*outputs.values()])).tolist()
        values = dict(zip(outputs, measured, strict=True))
        rate = {"learning_rate": runner.optim_wrapper.optimizer.param_groups[0]["lr"]}
        self._curves.add(runner.epoch + 1, runner.iter + 1, rate | values)
        next(self._bar, None)

    @override
    def after_train_epoch(self, runner: Runner) -> None:
        next(self._bar, None)
        if runner.rank == 0:
            gap = self._step.vision_gap(self._first_batch)
            row = self._curves.end_epoch(runner.epoch + 1, runner.iter, gap)
            with whole_file(self._folder / CHECKPOINT) as fresh:
                runner.message_hub.log_scalars.clear()  # of mmengine, which nobody reads
                runner.save_checkpoint(str(fresh.parent), fresh.name)
            self._observer.log(
                f"epoch {row['epoch']}/{runner.max_epochs}: loss {row['loss']}, vision gap "
                f"{row['vision_gap']}, {time.monotonic() - self._started:.0f} s"
            )


class GroundingRunner(Runner):
    """mmengine's runner on the device it is told, without its logs."""

    def __init__(self, team: Team, **settings: Any) -> None:
        self._team = team
        super().__init__(
            default_hooks=_OFF,
            log_level="ERROR",
            visualizer={"type": "Visualizer", "vis_backends": None},
            launcher="pytorch" if team.num_processes > 1 else "none",
            **settings,
        )

    @override
    def wrap_model(self, model_wrapper_cfg: Any, model: nn.Module) -> nn.Module:
        model = model.to(self._team.device)
        if self._team.num_processes == 1:
            return model
        devices = None if self._team.device.type == "cpu" else [self._team.device.index]
        return MMDistributedDataParallel(model, device_ids=devices, broadcast_buffers=False)

    @override
    def resume(self, filename: str, *_: Any, **__: Any) -> None:
        with torch.serialization.safe_globals([HistoryBuffer]):  # a checkpoint of our own
            super().resume(filename, map_location="cpu")


def build_training(
    files: DatasetFiles, images: Path, params: TrainParams, device: torch.device
) -> tuple[TrainingStep, GroundingDataset]:
    """Build what is trained, and on what, from what earlier stages made of the training split.

    Raises:
        ValueError: parts cannot be read or do not fit; `InputError` where a cache is wrong.
    """
    caches = JoinedCaches(files, images, ("train",))
    language = untrained_language(
        files.weights / "language",
        LanguageSizes(
            **asdict(params.language),
            layers=parse_depth(params.model.depth)[1],
            dropout=params.model.dropout,
        ),
        caches.texts,
    )
    classifier, scorer = files.weights / "classifier", None
    if params.model.cam == "mine":
        source = ScorerSource(files.weights, files.noun_head, match_matrix, **caches.cam_scorer)
        scorer = load_scorer(source, caches.cam_nouns).to(device)
    nouns = scorer.nouns if scorer else ()
    dataset = build_training_dataset(caches, params, language.tokenizer, nouns)
    num_words = len(dataset.text.vocabulary)
    grounder = untrained_grounder(asdict(params.model), num_words, classifier, language)
    grounder.train_pretrained(params.learning_rate_pretrained > 0)
    weights = picked(LossWeights, params.loss)
    return TrainingStep(grounder, scorer, weights, params.precision == "bf16"), dataset


def build_optimiser(grounder: Grounder, params: TrainParams) -> OptimWrapper:
    """Return AdamW with one learning rate for new weights and one for pre-trained ones."""
    groups = [
        {"params": grounder.new_parameters(), "full_lr": params.learning_rate},
        {"params": grounder.pretrained_parameters(), "full_lr": params.learning_rate_pretrained},
    ]
    return OptimWrapper(
        torch.optim.AdamW(groups, weight_decay=params.weight_decay),
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
    """Train the grounder in place, on from where the last run in `folder` was cut off."""
    team, phrases = machine.team, dataset.caches.phrases_of_image
    part = (team.rank, team.num_processes)
    sampler = EpochSampler(phrases, params.phrases_per_image, params.seed, part)
    batch_images = -(-params.batch_images // team.num_processes)
    checkpoint = folder / CHECKPOINT
    GroundingRunner(
        team,
        model=step,
        work_dir=str(folder),
        train_dataloader=build_loader(dataset, sampler, batch_images, machine.workers),
        train_cfg={"by_epoch": True, "max_epochs": params.epochs},
        optim_wrapper=build_optimiser(step.grounder, params),
        custom_hooks=[Watch(step, params, folder, machine.observer)],
        load_from=str(checkpoint) if checkpoint.exists() else None,
        resume=checkpoint.exists(),
        randomness={"seed": params.seed},
    ).train()


def run(
    files: DatasetFiles, images: Path, params: TrainParams, results: ResultFiles, machine: Machine
) -> None:
    """Train on the images and phrases of `files`; write the model and the curves of `results`."""
    seed_everything(params.seed)
    upstream = [files.annotations, files.weights, files.nouns, files.proposals]
    stamp = fingerprint(Path(__file__), params, [*upstream, files.noun_head, files.cams])
    machine.observer.fact("fingerprint", stamp)
    folder = Path(os.environ.get("DVC_ROOT", ".")) / ".work" / "train" / stamp
    folder.mkdir(parents=True, exist_ok=True)
    try:
        step, dataset = build_training(files, images, params, machine.team.device)
    except ValueError as error:
        raise InputError(f"train cannot begin: {error}") from error
    train(step, dataset, params, folder, machine)
    if machine.team.rank == 0:
        text = dataset.text
        with whole_folder(results.model) as fresh:
            save_grounder(fresh, step.grounder, text.tokenize.tokenizer, text.vocabulary.words)
            write_sample_spec(fresh, dataset.spec)
        shutil.copyfile(folder / CURVES, results.curves)
        shutil.rmtree(folder)


def main() -> None:
    """Train one variant on one dataset."""
    arguments = stage_arguments(__doc__, variant=True)
    start_team("stages.train")
    dataset, variant, params = arguments.dataset, arguments.variant, read_params()
    files, results = DatasetFiles(dataset), ResultFiles(dataset, variant)
    images = image_folder(dataset, params.datasets[dataset])
    section, workers = train_params(params, variant), params.runtime.workers
    with joined_team(pick_device(params.runtime.device)) as team:
        run_stage(
            f"train@{dataset}-{variant}",
            lambda seen: run(files, images, section, results, Machine(team, workers, seen)),
        )


if __name__ == "__main__":
    main()
