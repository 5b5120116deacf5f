"""Where every file of the graph lies, below the project root; dvc.yaml names the same paths."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.params.datasets import DatasetSection, ShapesDataset


@dataclass(frozen=True)
class DatasetFiles:
    """The files made once per dataset, as the models of a dataset see them.

    Attributes:
        dataset: its name.
        trained_on: name of another dataset whose models are asked; weights and noun head are then
            that one's, and the maps are made with them. Empty: the dataset's own.
    """

    dataset: str
    trained_on: str = ""

    @property
    def folder(self) -> Path:
        """Everything made once per dataset lies below."""
        return Path("data") / self.dataset

    @property
    def annotations(self) -> Path:
        """Folder of `images.jsonl`, `phrases.jsonl`, `summary.json` and drawn `images/`."""
        return self.folder / "annotations"

    @property
    def images(self) -> Path:
        """Image table."""
        return self.annotations / "images.jsonl"

    @property
    def phrases(self) -> Path:
        """Phrase table; no boxes."""
        return self.annotations / "phrases.jsonl"

    @property
    def ground_truth(self) -> Path:
        """Boxes; only the evaluate stage depends on it."""
        return self.folder / "ground_truth.jsonl"

    @property
    def weights(self) -> Path:
        """Folder of `detector/`, `classifier/`, `tagger/`, ..., `manifest.json`."""
        return Path("data") / (self.trained_on or self.dataset) / "weights"

    @property
    def nouns(self) -> Path:
        """Cache of the nouns stage."""
        return self.folder / "nouns.h5"

    @property
    def proposals(self) -> Path:
        """Cache of the proposals stage."""
        return self.folder / "proposals.h5"

    @property
    def noun_head(self) -> Path:
        """Folder of `head.safetensors`, `nouns.json`, `summary.json`."""
        return Path("data") / (self.trained_on or self.dataset) / "noun_head"

    @property
    def cams(self) -> Path:
        """Cache of the cams stage."""
        return self._maps_folder / "cams.h5"

    @property
    def cams_coverage(self) -> Path:
        """For which phrases the scorer of the cams stage knows the head noun."""
        return self._maps_folder / "cams_coverage.json"

    @property
    def _maps_folder(self) -> Path:
        return self.folder / f"by_{self.trained_on}" if self.trained_on else self.folder


@dataclass(frozen=True)
class ResultFiles:
    """The files made once per dataset and variant, or once per dataset and another one's model.

    Attributes:
        dataset: on which the model is asked.
        variant: of the model.
        trained_on: name of another dataset that the model was trained on; empty: `dataset`.
    """

    dataset: str
    variant: str
    trained_on: str = ""

    @property
    def model_name(self) -> str:
        """Name of the model among the results on the dataset; no variant has a `-` in its name."""
        return f"{self.trained_on}-{self.variant}" if self.trained_on else self.variant

    @property
    def folder(self) -> Path:
        """Everything made once per dataset and model lies below."""
        return Path("results") / self.dataset / self.model_name

    @property
    def model(self) -> Path:
        """Folder of the trained grounder."""
        return self._trained / "model"

    @property
    def curves(self) -> Path:
        """Loss curves of the train stage, one row per logged step."""
        return self._trained / "curves.csv"

    @property
    def _trained(self) -> Path:
        return Path("results") / (self.trained_on or self.dataset) / self.variant

    @property
    def metrics(self) -> Path:
        """A few numbers of each split, for `dvc metrics` and `dvc exp show`."""
        return self.folder / "metrics.json"

    @property
    def evaluation(self) -> Path:
        """All that the evaluate stage has measured."""
        return self.folder / "evaluation.json"

    @property
    def predictions(self) -> Path:
        """Predicted and annotated boxes of every evaluated phrase."""
        return self.folder / "predictions.jsonl"

    @property
    def calibration(self) -> Path:
        """What turns features of an answer into the probability that it is a hit."""
        return self.folder / "calibration.json"

    @property
    def plots(self) -> Path:
        """Folder of charts, for `dvc plots`."""
        return self.folder / "plots"

    @property
    def report(self) -> Path:
        """Folder of `report.html`, `report.md` and pictures."""
        return self.folder / "report"


def image_folder(dataset_name: str, dataset: DatasetSection) -> Path:
    """Return the folder that the `file` of every `ImageRecord` is relative to.

    Args:
        dataset_name: key of the data set in params.yaml.
        dataset: its section.
    """
    if isinstance(dataset, ShapesDataset):
        return DatasetFiles(dataset_name).annotations / "images"
    return Path(dataset.images)
