"""A CLIP of random weights in the folder that transformers writes, with a tokenizer of letters."""

import json
from pathlib import Path

import torch
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

IMAGE_PX, PATCH_PX = 24, 8
MEAN, STD = [0.48, 0.46, 0.41], [0.27, 0.26, 0.28]


def write_tiny_clip(folder: Path) -> Path:
    """Write model, tokenizer and image processor."""
    torch.manual_seed(11)
    tokenizer = _tokenizer(folder / "vocabulary")
    config = CLIPConfig(
        text_config=_text(len(tokenizer), tokenizer.eos_token_id),
        vision_config={
            "hidden_size": 20,
            "intermediate_size": 28,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "image_size": IMAGE_PX,
            "patch_size": PATCH_PX,
        },
        projection_dim=14,
        logit_scale_init_value=2.0,
    )
    model = CLIPModel(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessor(image_mean=MEAN, image_std=STD).save_pretrained(folder)
    return folder


def _text(words, end):
    return {
        "vocab_size": words,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 30,
        "bos_token_id": words - 2,
        "eos_token_id": end,
        "pad_token_id": end,
    }


def _tokenizer(folder):
    """Return a byte-pair tokenizer that merges nothing."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
