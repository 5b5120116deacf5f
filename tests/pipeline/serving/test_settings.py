from dataclasses import asdict

from pipeline.params.read import read_params
from pipeline.params.reader import build
from pipeline.serving.settings import RunSettings, settings_of
from tests.cached_world import ROOT


def test_settings_are_what_params_yaml_says_of_running_the_parts():
    params = read_params(ROOT / "params.yaml")
    settings = settings_of(params)
    assert settings.context_nouns == params.nouns.context_nouns
    for ours, section in ((settings.proposals, params.proposals), (settings.cams, params.cams)):
        assert asdict(ours).items() <= asdict(section).items()


def test_settings_survive_json():
    settings = settings_of(read_params(ROOT / "params.yaml"))
    content = asdict(settings)
    content["cams"]["clip"]["backgrounds"] = list(content["cams"]["clip"]["backgrounds"])
    assert build(RunSettings, content, "x") == settings
