"""Networks that a backbone can be cut from, by name, with random weights."""

from torch import nn
from torchvision import models as torchvision_models

CLASSIFIER = "classifier"  # the network of the dataset's classifier
TIMM_PREFIX = "timm/"


def named_network(name: str) -> nn.Module:
    """Return a network of torchvision or timm with random weights.

    Args:
        name: of a classification network of torchvision, such as `resnet50`; behind `timm/`, of a
            network that timm can cut into feature maps, such as `timm/convnext_tiny`.

    Raises:
        ValueError: neither library knows the name.
    """
    if name.startswith(TIMM_PREFIX):
        return _timm_network(name.removeprefix(TIMM_PREFIX))
    if name not in torchvision_models.list_models(module=torchvision_models):
        raise ValueError(
            f"backbone: {name!r} is neither `{CLASSIFIER}` nor a classification network of "
            f"torchvision; `{TIMM_PREFIX}NAME` asks timm"
        )
    return torchvision_models.get_model(name, weights=None)


def _timm_network(name: str) -> nn.Module:
    import timm  # here, for who asks for no network of timm needs no timm

    if not timm.is_model(name):
        raise ValueError(f"backbone: timm knows no {name!r}")
    return timm.create_model(name, pretrained=False, features_only=True)
