"""Stage `weights`: the pre-trained parts, trained on drawn pictures or taken from files.

reads   the files that params.yaml names; of the drawn world its pre-training split
writes  weights/{detector/, classifier/, tagger/[, language/], manifest.json}
params  weights.<dataset>
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import count
from pathlib import Path

from models.classifier import ClassifierError, ClassifierInfo, save_classifier
from models.classifier_training import ClassifierFit, train_classifier
from models.detector_folder import DetectorError, DetectorInfo, save_detector
from models.detector_training import DetectionExample, DetectorFit, train_detector
from models.foreign_weights import convert_classifier, convert_detector
from models.tagger_training import train_tagger
from models.weight_files import WeightFileError, load_weights
from pipeline.datasets import shapes
from pipeline.errors import InputError
from pipeline.layout import DatasetFiles
from pipeline.observe import Observer, run_stage
from pipeline.provenance import fingerprint
from pipeline.runtime import seed_everything, stage_arguments
from pipeline.sections import read_params
from pipeline.weight_parts import make_folder, work_folder
from pipeline.weight_sections import (
    ClassifierFile,
    ClassifierTraining,
    DetectorFile,
    DetectorTraining,
    EmbeddedWeights,
    TaggerFolder,
    TaggerTraining,
    WeightFiles,
)
from pipeline.weight_sources import (
    STANZA_FILES,
    Origin,
    check_sources,
    copy_files,
    files_sha256,
    language_files,
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
    drawn = [shapes.draw_object_picture(seed, index, params.image_px) for index in indices]
    kept = ("arch", "width", "epochs", "learning_rate", "weight_decay", "batch_images")
    fit = ClassifierFit(**{name: getattr(params, name) for name in kept}, seed=seed)
    classifier = train_classifier(
        [picture for picture, _ in drawn],
        [label for _, label in drawn],
        shapes.PICTURE_CLASSES,
        fit,
        lambda epochs: observer.progress(epochs, len(epochs), "classifier epochs"),
    )
    save_classifier(folder, classifier)


def compute_detector(params: DetectorTraining, seed: int, folder: Path, observer: Observer) -> None:
    """Train a detector on scenes and write its folder."""
    indices = observer.progress(range(params.scenes), params.scenes, "scenes")
    scenes = [shapes.draw_scene(seed, "pretrain", index, params.long_side_px) for index in indices]
    examples = [DetectionExample(scene.image, scene.boxes_xyxy, scene.classes) for scene in scenes]
    fit = DetectorFit(
        params.epochs, params.batch_images, params.learning_rate, params.base_channels, seed
    )
    trained = train_detector(
        examples,
        len(shapes.CLASSES),
        fit,
        lambda steps: observer.progress(steps, len(steps), "detector steps"),
    )
    observer.log(f"detector: loss {trained.losses[0]:.2f} at first, {trained.losses[-1]:.2f} last")
    info = DetectorInfo("small Faster R-CNN", shapes.CLASSES, DRAWN, LICENCE)
    save_detector(folder, trained.config, trained.model.state_dict(), info)


def compute_tagger(
    params: TaggerTraining, seed: int, long_side_px: int, folder: Path, observer: Observer
) -> None:
    """Train a part-of-speech tagger on phrases about scenes and write its folder."""
    phrases = (
        phrase.words_with_upos
        for index in count()
        for phrase in shapes.scene_phrases(
            shapes.draw_scene(seed, "pretrain", index, long_side_px), PHRASES_PER_SCENE
        )
    )
    watched = observer.progress(range(params.phrases), params.phrases, "phrases")
    tagged = [words for _, words in zip(watched, phrases, strict=False)]
    observer.log(f"tagger: {params.steps} steps")
    train_tagger(tagged, folder, params.steps, seed)


def embed(section: EmbeddedWeights, weights: Path, observer: Observer) -> dict[str, Origin]:
    """Train the parts that were not trained before, and copy all of them into `weights`."""
    seed, long_side_px = section.pretrain_seed, section.detector.long_side_px
    recipes: dict[str, tuple[object, Fill]] = {
        "classifier": (
            section.classifier,
            lambda folder: compute_classifier(section.classifier, seed, folder, observer),
        ),
        "detector": (
            section.detector,
            lambda folder: compute_detector(section.detector, seed, folder, observer),
        ),
        "tagger": (
            [section.tagger, long_side_px],
            lambda folder: compute_tagger(section.tagger, seed, long_side_px, folder, observer),
        ),
    }
    origins = {}
    for name, (params, fill) in recipes.items():
        key = fingerprint(Path(__file__), [seed, params], [])
        part = work_folder("weights", key) / name
        if not make_folder(part, fill):
            observer.log(f"{name}: trained before, in {part}")
        shutil.copytree(part, weights / name)
        origins[name] = Origin("embedded", files_sha256(part, ("**/*",)), DRAWN, LICENCE)
    return origins


def convert(section: WeightFiles, key: str, weights: Path, observer: Observer) -> dict[str, Origin]:
    """Check the files that params.yaml names and write them into `weights` in our formats.

    Raises:
        InputError: a file is missing or is not what it should be.
    """
    origins = check_sources(section, key)
    for name, origin in origins.items():
        observer.log(f"{name}: {origin.source}, sha256 {origin.sha256}")
    with _told_as_input(f"{key}.detector"):
        _take_detector(section.detector, weights / "detector")
    with _told_as_input(f"{key}.classifier"):
        _take_classifier(section.classifier, weights / "classifier")
    with _told_as_input(f"{key}.tagger"):
        _take_tagger(section.tagger, weights / "tagger")
    if section.language.path:
        language = Path(section.language.path)
        copy_files(language, weights / "language", language_files(language))
    return origins


def run(
    section: EmbeddedWeights | WeightFiles, key: str, weights: Path, observer: Observer
) -> None:
    """Write every part and the manifest; `weights` appears whole or not at all.

    Args:
        section: where the parts come from.
        key: its dotted name in params.yaml, for messages.
        weights: the folder to write.
        observer: is told what happens.

    Raises:
        InputError: a file is missing or is not what it should be.
    """

    def fill(folder: Path) -> None:
        if isinstance(section, EmbeddedWeights):
            origins = embed(section, folder, observer)
        else:
            origins = convert(section, key, folder, observer)
        _write_json(folder / "manifest.json", {name: asdict(o) for name, o in origins.items()})
        _warn_of_leakage(origins["detector"], observer)

    seed_everything(0)
    shutil.rmtree(weights, ignore_errors=True)
    make_folder(weights, fill)


def _take_detector(source: DetectorFile, folder: Path) -> None:
    name = Path(source.config).stem
    info = DetectorInfo(name, (), source.training_set, source.licence)
    convert_detector(Path(source.path), source.config, info, folder)


def _take_classifier(source: ClassifierFile, folder: Path) -> None:
    info = ClassifierInfo(
        arch=source.arch,
        width=1.0,
        mean=source.mean,
        std=source.std,
        bgr=source.bgr,
        classes=(),
        training_set=source.training_set,
        licence=source.licence,
    )
    convert_classifier(Path(source.path), info, folder)


def _take_tagger(source: TaggerFolder, folder: Path) -> None:
    copy_files(Path(source.path), folder, STANZA_FILES)
    for file in sorted(folder.rglob("*.pt")):
        load_weights(file)
    _write_json(folder / "tagger.json", {"package": source.package, "tokenize": "stanza"})


def _warn_of_leakage(detector: Origin, observer: Observer) -> None:
    """Remind of what a detector may have seen."""
    if detector.source != "embedded":
        observer.log(
            f"warning: the detector was trained on {detector.training_set}; if images that are "
            "evaluated here are among them, its boxes are too good and so are the results"
        )


@contextmanager
def _told_as_input(key: str) -> Iterator[None]:
    """Tell what is wrong with a file as something that a person can mend."""
    try:
        yield
    except (DetectorError, ClassifierError, WeightFileError) as error:
        raise InputError(f"{key}: {error}; put the right file there or change the key") from error


def _write_json(path: Path, content: object) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=2)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def main() -> None:
    """Prepare the weights of the dataset that the command line names."""
    dataset = stage_arguments(__doc__).dataset
    section, weights = read_params().weights[dataset], DatasetFiles(dataset).weights
    run_stage(
        f"weights@{dataset}",
        lambda observer: run(section, f"weights.{dataset}", weights, observer),
    )


if __name__ == "__main__":
    main()
