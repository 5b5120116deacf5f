"""Stage `weights`: the pre-trained parts, trained on drawn pictures or taken from files.

reads   the files that params.yaml names, or their hubs; of the drawn world its pre-training split
writes  weights/{detector/, classifier/, tagger/[, language/][, wordnet/][, clip/], manifest.json}
params  weights.<dataset>
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import count
from pathlib import Path

from models.classifier.classifier import ClassifierInfo, save_classifier
from models.classifier.timm_network import is_timm, timm_input
from models.classifier.train_classifier import ClassifierFit, train_classifier
from models.detector.checkpoint import DetectorInfo, save_detector
from models.detector.train_detector import DetectionExample, DetectorFit, train_detector
from models.given_files.json_files import write_json
from models.given_files.safe_load import ModelFileError, NonFiniteError
from models.noun_classes.wordnet import read_wordnet
from models.phrases.train_tagger import train_tagger
from models.pretrained import hub
from models.pretrained.convert import (
    convert_bottom_up,
    convert_classifier,
    convert_detector,
    copy_folder,
    copy_transformers,
)
from pipeline.caching.atomic import make_folder, work_folder
from pipeline.caching.fingerprint import fingerprint
from pipeline.command_line import stage_call
from pipeline.datasets.shapes import scene
from pipeline.errors import InputError
from pipeline.observe.observer import Observer
from pipeline.params.read import weights_key
from pipeline.params.weights import (
    ClassifierFile,
    ClassifierTraining,
    DetectorFile,
    DetectorTraining,
    EmbeddedWeights,
    TaggerFolder,
    TaggerTraining,
    TransformersFolder,
    WeightFiles,
    WeightPart,
    WordNetFolder,
)
from pipeline.runtime import seed_everything
from pipeline.weight_sources import (
    MODEL_TYPES,
    Origin,
    check_source,
    files_sha256,
    hub_of,
    parts_of,
    source_files,
)

DRAWN = "shapes, pre-training split"
LICENCE = "Apache-2.0"
PHRASES_PER_SCENE = 12
Fill = Callable[[Path], None]


def compute_classifier(
    params: ClassifierTraining, seed: int, folder: Path, observer: Observer
) -> None:
    """Train an image classifier on pictures of single objects and write its folder."""
    indices = observer.progress(range(params.pictures), params.pictures, "pictures")
    drawn = [scene.draw_object_picture(seed, index, params.image_px) for index in indices]
    kept = ("arch", "width", "epochs", "learning_rate", "weight_decay", "batch_images")
    fit = ClassifierFit(**{name: getattr(params, name) for name in kept}, seed=seed)
    classifier = train_classifier(
        [picture for picture, _ in drawn],
        [label for _, label in drawn],
        scene.PICTURE_CLASSES,
        fit,
        lambda epochs: observer.progress(epochs, len(epochs), "classifier epochs"),
    )
    save_classifier(folder, classifier)


def compute_detector(params: DetectorTraining, seed: int, folder: Path, observer: Observer) -> None:
    """Train a detector on scenes and write its folder."""
    indices = observer.progress(range(params.scenes), params.scenes, "scenes")
    scenes = [scene.draw_scene(seed, "pretrain", index, params.long_side_px) for index in indices]
    examples = [DetectionExample(scene.image, scene.boxes_xyxy, scene.classes) for scene in scenes]
    fit = DetectorFit(
        params.epochs, params.batch_images, params.learning_rate, params.base_channels, seed
    )
    trained = train_detector(
        examples,
        len(scene.CLASSES),
        fit,
        lambda steps: observer.progress(steps, len(steps), "detector steps"),
    )
    observer.log(f"detector: loss {trained.losses[0]:.2f} at first, {trained.losses[-1]:.2f} last")
    info = DetectorInfo("small Faster R-CNN", scene.CLASSES, DRAWN, LICENCE)
    save_detector(folder, trained.config, trained.model.state_dict(), info)


def compute_tagger(
    params: TaggerTraining, seed: int, long_side_px: int, folder: Path, observer: Observer
) -> None:
    """Train a part-of-speech tagger on phrases about scenes and write its folder."""
    phrases = (
        phrase.words_with_upos
        for index in count()
        for phrase in scene.scene_phrases(
            scene.draw_scene(seed, "pretrain", index, long_side_px), PHRASES_PER_SCENE
        )
    )
    watched = observer.progress(range(params.phrases), params.phrases, "phrases")
    tagged = [words for _, words in zip(watched, phrases, strict=False)]
    observer.log(f"tagger: {params.steps} steps")
    train_tagger(tagged, folder, params.steps, seed)


def embed(
    section: EmbeddedWeights, key: str, weights: Path, observer: Observer
) -> dict[str, Origin]:
    """Train the parts that were not trained before, and copy all of them into `weights`.

    Raises:
        InputError: a training blew up; nothing of it is kept.
    """
    seed, long_side_px = section.pretrain_seed, section.detector.long_side_px
    recipes: dict[str, tuple[object, Fill]] = {
        "classifier": (
            section.classifier,
            lambda part: compute_classifier(section.classifier, seed, part, observer),
        ),
        "detector": (
            section.detector,
            lambda part: compute_detector(section.detector, seed, part, observer),
        ),
        "tagger": (
            [section.tagger, long_side_px],
            lambda part: compute_tagger(section.tagger, seed, long_side_px, part, observer),
        ),
    }
    origins = {}
    for name, (params, fill) in recipes.items():
        stamp = fingerprint(Path(__file__), [seed, params], [])
        part = work_folder("weights", stamp) / name
        with _blown_up_as_input_error(f"{key}.{name}"):
            is_new = make_folder(part, fill)
        if not is_new:
            observer.log(f"{name}: trained before, in {part}")
        shutil.copytree(part, weights / name)
        origins[name] = Origin("embedded", files_sha256(part, ("**/*",)), DRAWN, LICENCE)
    return origins


def convert(section: WeightFiles, key: str, weights: Path, observer: Observer) -> dict[str, Origin]:
    """Find and check what params.yaml names, then write all of it into `weights` in our formats.

    Raises:
        InputError: a file is missing, cannot be fetched, or is not what it should be.
    """
    parts, paths, origins = parts_of(section), {}, {}
    fetched = work_folder("weights", "hub")
    for name, part in parts.items():
        with _as_input_error(f"{key}.{name}"):
            paths[name] = Path(part.path or hub.fetch(*hub_of(part), fetched, make_folder))
        origins[name] = check_source(part, paths[name], f"{key}.{name}")
        observer.log(f"{name}: {origins[name].source}, sha256 {origins[name].sha256}")
    for name, part in parts.items():
        with _as_input_error(f"{key}.{name}"):
            take(name, part, paths[name], weights / name)
    if is_timm(section.classifier.arch):
        observer.log(compare_input(section.classifier, f"{key}.classifier"))
    return origins


def compare_input(classifier: ClassifierFile, key: str) -> str:
    """Return a line on how params.yaml and timm normalise the images of a network of timm."""
    by_timm = timm_input(classifier.arch)
    same = (by_timm.mean, by_timm.std) == (classifier.mean, classifier.std)
    start = f"classifier: timm feeds {classifier.arch} images of {by_timm.image_px} px in RGB, mean"
    start = f"{start} {list(by_timm.mean)}, std {list(by_timm.std)}"
    if same and not classifier.bgr:
        return f"{start}, and so does {key}"
    differing = f"mean {list(classifier.mean)}, std {list(classifier.std)}, bgr {classifier.bgr}"
    return f"warning: {start}; {key} says {differing}: right only if the file says so, too"


def take(name: str, part: WeightPart, path: Path, folder: Path) -> None:
    """Write a checked part into a folder in our format.

    Args:
        name: of the part.
        part: its section of params.yaml.
        path: its file or folder.
        folder: to write.

    Raises:
        ModelFileError: it is not what its section says.
    """
    match part:
        case DetectorFile():
            _take_detector(part, path, folder)
        case ClassifierFile():
            _take_classifier(part, path, folder)
        case TransformersFolder():
            copy_transformers(path, folder, source_files(part, path), MODEL_TYPES[name])
        case WordNetFolder():
            read_wordnet(path)  # refuses what is not whole
            copy_folder(path, folder, source_files(part, path))
        case TaggerFolder():
            copy_folder(path, folder, source_files(part, path))
            tagger = {"package": part.package, "tokenize": "stanza"}
            write_json(folder / "tagger.json", tagger, indent=2)


def run(
    section: EmbeddedWeights | WeightFiles, key: str, weights: Path, observer: Observer
) -> None:
    """Write every part and the manifest; `weights` appears whole or not at all.

    Args:
        section: where the parts come from.
        key: its dotted name in params.yaml, for messages.
        weights: the folder to write.
        observer: logs what happens.

    Raises:
        InputError: a file is missing or is not what it should be.
    """

    def fill(folder: Path) -> None:
        if isinstance(section, EmbeddedWeights):
            origins = embed(section, key, folder, observer)
        else:
            origins = convert(section, key, folder, observer)
        manifest = {name: asdict(origin) for name, origin in origins.items()}
        write_json(folder / "manifest.json", manifest, indent=2)
        _warn_of_leakage(origins["detector"], observer)

    observer.fact("fingerprint", fingerprint(Path(__file__), section, []))
    seed_everything(0)
    shutil.rmtree(weights, ignore_errors=True)
    make_folder(weights, fill)


def _take_detector(source: DetectorFile, path: Path, folder: Path) -> None:
    name = Path(source.config).stem if source.format == "mmdet" else source.format
    info = DetectorInfo(name, (), source.training_set, source.licence)
    if source.format == "mmdet":
        convert_detector(path, source.config, info, folder)
    else:
        convert_bottom_up(path, Path(source.vocabulary), info, folder)


def _take_classifier(source: ClassifierFile, path: Path, folder: Path) -> None:
    kept = ("arch", "mean", "std", "bgr", "training_set", "licence")
    info = ClassifierInfo(width=1.0, classes=(), **{name: getattr(source, name) for name in kept})
    convert_classifier(path, info, folder)


def _warn_of_leakage(detector: Origin, observer: Observer) -> None:
    """Log what a detector may have seen."""
    if detector.source != "embedded":
        observer.log(
            f"warning: the detector was trained on {detector.training_set}; if images that are "
            "evaluated here are among them, its boxes are too good and so are the results"
        )


@contextmanager
def _as_input_error(key: str) -> Iterator[None]:
    """Raise an error of a file or a hub as an `InputError` that names the key in params.yaml."""
    try:
        yield
    except ModelFileError as error:
        raise InputError(f"{key}: {error}; put the right file there or change the key") from error
    except hub.HubError as error:
        raise InputError(f"{key}.{error}") from error


@contextmanager
def _blown_up_as_input_error(key: str) -> Iterator[None]:
    """Raise the error of a training that blew up as an `InputError` that names its section."""
    try:
        yield
    except NonFiniteError as error:
        raise InputError(
            f"{key}: training stopped: {error}; lower its learning rate or take another seed"
        ) from error


def main() -> None:
    """Prepare the weights of the dataset that the command line names."""
    call = stage_call(__doc__)
    section, key = call.params.weights[call.dataset], weights_key(call.params, call.dataset)
    call.run("weights", lambda observer: run(section, key, call.files.weights, observer))


if __name__ == "__main__":
    main()
