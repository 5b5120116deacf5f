"""The scorer by CLIP says what transformers' own CLIP says of the same image and texts."""

import json
import math
import shutil

import pytest
import torch

from models.given_files.safe_load import ModelFileError
from models.grad_cam.clip_scorer import load_clip_scorer, open_clip_scorer
from models.grad_cam.explainer import NounExplainer
from tests.oracles import cam_loops as loops
from tests.tiny_clip import IMAGE_PX, MEAN, PATCH_PX, STD, write_tiny_clip

PROMPT, BACKGROUNDS = "a photo of a {}", ("tree", "sky", "road")
NOUNS = ("dog", "tree", "自転車")
IMAGES = torch.rand(2, 3, IMAGE_PX, IMAGE_PX, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_clip(tmp_path_factory.mktemp("clip") / "clip")


@pytest.fixture(scope="module")
def scorer(folder):
    return load_clip_scorer(folder, PROMPT, NOUNS, BACKGROUNDS)


def logits_of_transformers(scorer, folder, image, nouns):
    """Return CLIP's own logits of one image and the texts of some nouns."""
    from transformers import CLIPModel, CLIPTokenizer

    tokens = CLIPTokenizer.from_pretrained(folder)(
        [f"a photo of a {noun}" for noun in nouns], padding=True, return_tensors="pt"
    )
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    model = CLIPModel.from_pretrained(folder).eval()
    with torch.no_grad():
        return model(**tokens, pixel_values=(image[None] - mean) / std).logits_per_image[0].tolist()


@pytest.mark.parametrize(
    ("noun", "held_against"),
    [("dog", ["tree", "sky", "road"]), ("tree", ["sky", "road"]), ("自転車", BACKGROUNDS)],
)
def test_a_noun_is_softmaxed_against_the_backgrounds_but_itself(scorer, folder, noun, held_against):
    logits = logits_of_transformers(scorer, folder, IMAGES[1], [noun, *held_against])
    powers = [math.exp(logit) for logit in logits]
    prob = powers[0] / sum(powers)
    index = NOUNS.index(noun)
    assert scorer.probs(IMAGES)[1, index].item() == pytest.approx(prob, rel=1e-4)
    assert scorer(IMAGES)[1, index].item() == pytest.approx(math.log(prob / (1 - prob)), rel=1e-3)


def test_other_nouns_asked_for_change_nothing(scorer, folder):
    alone = load_clip_scorer(folder, PROMPT, NOUNS[:1], BACKGROUNDS)
    torch.testing.assert_close(alone.probs(IMAGES), scorer.probs(IMAGES)[:, :1])


def test_gradient_reaches_the_image_and_no_weight(scorer):
    images = IMAGES.clone().requires_grad_()
    scorer.probs(images).sum().backward()
    assert images.grad.abs().sum() > 0
    assert not any(weight.requires_grad for weight in scorer.parameters())
    assert all(weight.grad is None for weight in scorer.parameters())


@pytest.mark.parametrize("layer", ["", "vision_model.encoder.layers.1"])
@pytest.mark.parametrize("side_px", [IMAGE_PX, 39])
def test_autograd_and_library_agree(scorer, layer, side_px):
    images = torch.rand(2, 3, side_px, side_px, generator=torch.Generator().manual_seed(9))
    wanted = [[2], [0, 1]]
    maps = NounExplainer(scorer, layer, "auto").explain(images, wanted).maps
    expected = NounExplainer(scorer, layer, "library").explain(images, wanted).maps
    cells = math.ceil(side_px / PATCH_PX)
    assert [tuple(found.shape) for found in maps] == [(1, cells, cells), (2, cells, cells)]
    for found, other in zip(maps, expected, strict=True):
        peak = other.abs().amax((-2, -1), keepdim=True)
        assert (peak > 0).all()
        torch.testing.assert_close(found / peak, other / peak, rtol=0, atol=1e-5)


def test_the_map_is_the_slow_loops_over_the_last_norms_patches(scorer):
    norm = scorer.network.vision_model.encoder.layers[2].layer_norm1
    kept = []
    hook = norm.register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    score = scorer(IMAGES.clone().requires_grad_())[1, 0]
    hook.remove()
    gradient = torch.autograd.grad(score, kept)[0]
    side = IMAGE_PX // PATCH_PX
    grids = [tokens[1, 1:].T.reshape(-1, side, side) for tokens in (kept[0], gradient)]
    expected = loops.grad_cam(*(grid.detach().numpy() for grid in grids))
    found = NounExplainer(scorer, "", "auto").explain(IMAGES, [[], [0]]).maps[1][0]
    torch.testing.assert_close(found.double(), torch.from_numpy(expected), rtol=1e-3, atol=1e-7)


def test_a_patch_of_the_image_is_the_cell_of_the_same_place(scorer):
    images = torch.zeros(1, 3, 40, 40)
    images[..., 8:16, 32:] = 1  # row 1, column 4 of 5 x 5
    embedding = scorer.network.vision_model.embeddings.patch_embedding
    tokens = embedding(images).flatten(2).transpose(1, 2)  # (1, 25, C)
    tokens = torch.cat([tokens[:, :1] * 0, tokens], 1)
    cell = scorer.grid(tokens).abs().sum(1)[0].flatten().argmax().item()
    assert divmod(cell, 5) == (1, 4)


def test_no_nouns_score_nothing(folder):
    scorer = load_clip_scorer(folder, PROMPT, (), BACKGROUNDS)
    assert scorer.probs(IMAGES).shape == (2, 0)
    maps = NounExplainer(scorer, "", "auto").explain(IMAGES, [[], []]).maps
    assert [tuple(found.shape) for found in maps] == [(0, 3, 3), (0, 3, 3)]


def test_a_text_longer_than_clip_reads_is_cut(folder):
    scorer = load_clip_scorer(folder, PROMPT, ["dog " * 40], BACKGROUNDS)
    assert scorer.probs(IMAGES).isfinite().all()


def test_blank_is_the_mean_colour(scorer):
    torch.testing.assert_close(scorer.blank, torch.tensor(MEAN).view(3, 1, 1))


def test_hundreds_of_nouns_have_the_texts_of_each(scorer, folder):
    many = load_clip_scorer(folder, PROMPT, NOUNS * 90, BACKGROUNDS)
    torch.testing.assert_close(many.noun_texts, scorer.noun_texts.repeat(90, 1))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "preprocessor_config.json"])
def test_a_missing_file_is_one_clear_error(folder, tmp_path, name):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / name).unlink()
    with pytest.raises(ModelFileError, match=str(tmp_path)):
        load_clip_scorer(tmp_path, PROMPT, NOUNS, BACKGROUNDS)


def test_one_background_alone_and_a_prompt_without_a_place_are_refused(folder):
    with pytest.raises(ValueError, match="backgrounds"):
        load_clip_scorer(folder, PROMPT, NOUNS, ("tree", "tree"))
    with pytest.raises(ValueError, match="prompt"):
        load_clip_scorer(folder, "a photo", NOUNS, BACKGROUNDS)


def test_two_backgrounds_are_enough_though_one_is_the_noun_itself(scorer, folder):
    tree, sky = logits_of_transformers(scorer, folder, IMAGES[0], ["tree", "sky"])
    found = load_clip_scorer(folder, PROMPT, ("tree",), ("tree", "sky")).probs(IMAGES)
    assert found[0, 0].item() == pytest.approx(1 / (1 + math.exp(sky - tree)), rel=1e-4)


def test_a_piece_of_a_text_without_an_embedding_is_refused(folder, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    content["model"]["vocab"]["g</w>"] = 5000
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(ModelFileError, match=str(tmp_path)):
        load_clip_scorer(tmp_path, PROMPT, NOUNS, BACKGROUNDS)


def test_a_vocabulary_of_another_size_than_the_models_is_refused(folder, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    content["model"]["vocab"]["another"] = len(content["model"]["vocab"])
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(ModelFileError, match=r"tokenizer\.json"):
        open_clip_scorer(tmp_path, PROMPT, BACKGROUNDS)


@pytest.mark.parametrize("change", [{"pre_tokenizer": {"type": "None"}}, {"model": {"vocab": {}}}])
def test_a_tokenizer_that_is_none_is_refused(folder, tmp_path, change):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    (tmp_path / "tokenizer.json").write_text(json.dumps(content | change))
    with pytest.raises(ModelFileError, match=str(tmp_path)):
        open_clip_scorer(tmp_path, PROMPT, BACKGROUNDS)


def test_a_tokenizer_that_cannot_be_used_is_refused_before_there_are_nouns(folder, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    settings["model_max_length"] = "12"
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(ModelFileError, match=str(tmp_path)):
        open_clip_scorer(tmp_path, PROMPT, BACKGROUNDS)


def test_maps_of_the_patch_embedding_stay_as_they_are(scorer):
    maps = torch.rand(2, 5, 3, 3)
    assert scorer.grid(maps) is maps


def test_it_tells_the_size_of_its_network(scorer):
    told = scorer.describe()
    assert set(told) == {"network", "training_set"}
    assert {"3", str(PATCH_PX)} <= set(told["network"].replace(",", "").split())


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("preprocessor_config.json", {"image_mean": [0.1, 0.2]}),
        ("preprocessor_config.json", {"image_mean": None}),
        ("preprocessor_config.json", {"image_mean": ["0.1", "0.2", "0.3"]}),
        ("preprocessor_config.json", {"image_mean": [0.1, math.nan, 0.3]}),
        ("preprocessor_config.json", {"image_std": [0.2, 0.3, 0.4, 0.5]}),
        ("preprocessor_config.json", {"image_std": [0.2, 0, 0.4]}),
        ("preprocessor_config.json", {"image_std": 0.5}),
        ("config.json", {"projection_dim": "wide"}),
    ],
)
def test_a_setting_of_another_kind_is_refused(folder, tmp_path, name, values):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    content = json.loads((tmp_path / name).read_text())
    (tmp_path / name).write_text(json.dumps(content | values))
    with pytest.raises(ModelFileError, match=str(tmp_path)):
        open_clip_scorer(tmp_path, PROMPT, BACKGROUNDS)
