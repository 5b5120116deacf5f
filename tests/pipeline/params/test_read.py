import pytest
import yaml

from pipeline.params.read import read_params, train_params, weights_key
from pipeline.params.reader import ParamsError
from tests.conftest import ROOT

PARAMS_FILE = ROOT / "params.yaml"


@pytest.fixture
def edited(tmp_path):
    """Return a function that sets dotted keys of a copy of params.yaml and reads it."""

    def read(**changes):
        values = yaml.safe_load(PARAMS_FILE.read_text(encoding="utf-8"))
        for dotted, value in changes.items():
            *parents, leaf = dotted.split("__")
            target = values
            for key in parents:
                target = target[key]
            target[leaf] = value
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(values), encoding="utf-8")
        return read_params(path)

    return read


def test_the_projects_own_file_is_read():
    params = read_params(PARAMS_FILE)
    assert "shapes" in params.run.datasets
    assert train_params(params, "full") == params.train


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run__datasets": ["none"]}, r"^run\.datasets: .*'none'.*shapes"),
        ({"run__targets": ["none"]}, r"^run\.targets: .*'none'.*shapes"),
        ({"run__variants": ["none"]}, r"^run\.variants: .*'none'.*full"),
        ({"weights": {}}, r"^weights: .*'shapes'"),
        ({"cams__image_pixels": 3}, r"cams\.image_pixels"),
        ({"variants__full": {"modl.cam": 1}}, r"variants\.full\.modl\.cam"),
        ({"variants__full": {"model.cams": 1}}, r"variants\.full\.model\.cams"),
        ({"variants__full": {"seed.x": 1}}, r"variants\.full\.seed\.x"),
        ({"variants__full": {"seed.x.y": 1}}, r"variants\.full\.seed\.x\.y"),
        ({"variants__full": {"model.cam.o": 1}}, r"variants\.full\.model\.cam\.o"),
        (
            {"variants__full": {"model.cam": "maybe"}},
            r"variants\.full.*model\.cam.*'maybe'",
        ),
        ({"variants__full": {"epochs": True}}, r"variants\.full.*epochs.*True"),
        ({"train__model__heads": 7}, r"^train\.model\.heads"),
        ({"variants__full": {"model.heads": 7}}, r"variants\.full.*heads"),
    ],
)
def test_what_no_stage_understands_is_refused_before_anything_runs(edited, changes, message):
    with pytest.raises(ParamsError, match=message):
        edited(**changes)


def test_a_variant_changes_its_keys_and_no_other(edited):
    params = edited(variants__fast={"model.cam": "off", "epochs": 977, "augment": NO_AUGMENT})
    changed = train_params(params, "fast")
    assert (changed.model.cam, changed.epochs, changed.augment.flip) == ("off", 977, 0.0)
    assert changed.loss == params.train.loss
    assert changed.model.heads == params.train.model.heads
    assert params.train.epochs != 977


NO_AUGMENT = {"flip": 0.0, "jitter": 0.0, "crop": 0.0, "scales": 1, "translate": False}


def test_a_variant_may_change_a_section_and_then_a_key_of_it(edited):
    params = edited(variants__fast={"augment": NO_AUGMENT, "augment.flip": 0.25})
    assert train_params(params, "fast").augment.flip == 0.25
    assert params.variants["fast"]["augment"]["flip"] == 0.0


def test_an_unknown_variant_is_refused():
    with pytest.raises(ParamsError, match=r"variants.*'none'.*full"):
        train_params(read_params(PARAMS_FILE), "none")


PARAMS = read_params(PARAMS_FILE)


def test_shared_weights_go_by_the_name_of_the_entry_that_holds_them():
    assert weights_key(PARAMS, "refcoco") == "weights.photographs"
    assert weights_key(PARAMS, "shapes") == "weights.shapes"
