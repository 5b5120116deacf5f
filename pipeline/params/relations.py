"""What values of params.yaml must be to each other; `models.ranges` bounds each alone."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

from models.grounder.config import parse_depth, parse_levels
from pipeline.params.reader import ParamsError
from pipeline.params.schema import Params, RunParams
from pipeline.params.train import TrainParams
from pipeline.params.weights import TIMM_PREFIX, ClassifierTraining, EmbeddedWeights

SHORTEST_PX = 32  # a cell of the grounder's coarsest level
SCALE_STEP_PX = 32  # between the lengths that `train.augment.scales` counts
CLASSIFIER = "classifier"  # a backbone that needs no library's name
ONE_WIDTH = ("resnet50", "squeezenet1_1")  # torchvision has them in no other


def check_relations(params: Params) -> None:
    """Check all sections but `train`.

    Raises:
        ParamsError: names a key whose value does not go with another's.
    """
    _check_run(params.run)
    clip = params.cams.clip
    if len(set(clip.backgrounds)) < 2:
        raise ParamsError(f"cams.clip.backgrounds: must be two at least, got {clip.backgrounds!r}")
    if "{}" not in clip.prompt:
        raise ParamsError(f"cams.clip.prompt: must hold {{}} for the noun, got {clip.prompt!r}")
    for name, weights in params.weights.items():
        if isinstance(weights, EmbeddedWeights):
            _check_width(weights.classifier, f"weights.{name}.classifier.width")
        elif weights.classifier.arch.startswith(TIMM_PREFIX):
            _check_timm(weights.classifier.arch, f"weights.{name}.classifier")


def _check_run(run: RunParams) -> None:
    for key, names in asdict(run).items():
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise ParamsError(f"run.{key}: {twice[0]!r} is named twice")
    if both := [name for name in run.targets if name in run.datasets]:
        raise ParamsError(
            f"run.targets: {both[0]!r} is in run.datasets, too; give the target an entry of its "
            "own in `datasets` and `weights` (`name: *other` holds the same)"
        )


def _check_width(classifier: ClassifierTraining, where: str) -> None:
    if classifier.arch in ONE_WIDTH and classifier.width != 1.0:
        raise ParamsError(f"{where}: {classifier.arch} has only 1.0, got {classifier.width}")


def _check_timm(arch: str, where: str) -> None:
    from models.classifier.timm_network import check_timm  # slow to import, and seldom needed

    try:
        check_timm(arch)
    except ValueError as error:
        raise ParamsError(f"{where}.{error}") from error


def check_train(train: TrainParams, where: str) -> None:
    """Check a `train` section.

    Args:
        train: the section.
        where: its dotted name, for messages.

    Raises:
        ParamsError: names a key whose value does not go with another's, or that nothing is known
            by.
    """
    for problem in (*_size_problems(train), *_structure_problems(train)):
        raise ParamsError(f"{where}.{problem}")


def _size_problems(train: TrainParams) -> Iterator[str]:
    model, language, scales = train.model, train.language, train.augment.scales
    if model.embed_dim % model.heads:
        yield f"model.heads: must divide model.embed_dim={model.embed_dim}, got {model.heads}"
    if language.hidden % language.heads:
        yield f"language.heads: must divide language.hidden={language.hidden}, got {language.heads}"
    shortest = train.image_px - SCALE_STEP_PX * (scales - 1)
    if shortest < SHORTEST_PX:
        yield f"augment.scales: must leave {SHORTEST_PX} px or more, got {scales}: {shortest} px"
    for index, window in enumerate(train.windows):
        left, top, right, bottom = window
        if left >= right or top >= bottom:
            yield f"windows[{index}]: must have left < right and top < bottom, got {window}"


def _structure_problems(train: TrainParams) -> Iterator[str]:
    try:
        parse_levels(train.model.levels)
        parse_depth(train.model.depth)
        if train.model.backbone != CLASSIFIER:
            from models.layers.backbone import check_name  # slow to import, and seldom needed

            check_name(train.model.backbone)
    except ValueError as error:
        yield f"model.{error}"
