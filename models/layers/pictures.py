"""From a loader's batch to the model's inputs: pictures as numbers, their colours changed.

A loader hands on pictures of 8 bits, a quarter of the bytes, and what was drawn for their colours.
The arithmetic is done where the model computes.

Shapes: B images, S pixels per side.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
BRIGHTNESS, CONTRAST, SATURATION = range(3)


def to_inputs(batch: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Return the fields of `GroundingInputs` on a device.

    Args:
        batch: the same fields, but for the pictures: `images` are RGB, uint8 (B, 3, S, S), 0 on
            padding; `colour_factors` and `colour_order` are those of `change_colours`. A batch
            whose `images` are numbers in [0, 1] has its fields already.
        device: of the model.
    """
    moved = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
    if batch["images"].is_floating_point():
        return moved
    factors, order = moved.pop("colour_factors"), moved.pop("colour_order")
    images = clean_images = moved["images"] / 255  # (B, 3, S, S)
    if (batch["colour_factors"] != 1).any():  # asked on the loader's side: no wait for the device
        images = change_colours(clean_images, moved["pixel_mask"], factors, order)
    return moved | {"images": images, "clean_images": clean_images}


def change_colours(images: Tensor, pixel_mask: Tensor, factors: Tensor, order: Tensor) -> Tensor:
    """Return pictures moved away from black, from their mean grey and from their own greys.

    Args:
        images: RGB in [0, 1], 0 on padding, float32 (B, 3, S, S).
        pixel_mask: image, not padding, bool (B, S, S).
        factors: of brightness, contrast and saturation, 1 changes nothing, float32 (B, 3).
        order: in which the three are changed, i64 (B, 3).

    Returns:
        RGB in [0, 1], 0 on padding, float32 (B, 3, S, S); equal bits where all factors are 1.
    """
    mask = pixel_mask[:, None].to(images.dtype)  # (B, 1, S, S)
    num_pixels = mask.sum((1, 2, 3), keepdim=True).clamp(min=1)  # (B, 1, 1, 1)
    changed = images.clone()
    for step in order.T:  # (B,)
        kind = step[:, None, None, None]  # (B, 1, 1, 1)
        factor = factors.gather(1, step[:, None])[..., None, None]  # (B, 1, 1, 1)
        anchor = changed[:, :1] * LUMA[0]  # (B, 1, S, S): every pixel's grey, 0 on padding
        anchor.add_(changed[:, 1:2], alpha=LUMA[1]).add_(changed[:, 2:], alpha=LUMA[2])
        mean = anchor.sum((1, 2, 3), keepdim=True) / num_pixels  # (B, 1, 1, 1)
        anchor.mul_(kind == SATURATION).addcmul_(mask, mean * (kind == CONTRAST))
        changed.mul_(factor).addcmul_(anchor, 1 - factor).clamp_(0, 1)
    return changed
