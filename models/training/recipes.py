"""What is trained, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from network import BlossomNet
from zoo import ZOO


@dataclass(frozen=True)
class Phase:
    """A run of epochs on one packed copy of the training pictures, cropped to one size."""

    copy: str
    crop: int
    epochs: int
    peak_rate: float
    warmup: float  # the part of the phase during which the rate rises
    share: float = 1  # the part of the pictures that an epoch sees


@dataclass(frozen=True)
class Recipe:
    """A network and its phases: small pictures first, because they are cheap; near the size of use last."""

    build: Callable[[int], nn.Module]
    phases: tuple[Phase, ...]


def slim(small: int, medium: int, large: int, share: float = 1) -> tuple[Phase, ...]:
    """The zoo's schedule, in epochs. The last phase shows flowers at the scale of use in a smaller window; a share of it
    leaves a network that is right less often, and so has something to lose to quantization."""
    return (
        Phase("train-112", crop=96, epochs=small, peak_rate=3e-3, warmup=0.15),
        Phase("train-168", crop=128, epochs=medium, peak_rate=2e-3, warmup=0.1),
        Phase("train-256", crop=192, epochs=large, peak_rate=1e-3, warmup=0.1, share=share),
    )


RECIPES: dict[str, Recipe] = {
    "blossom": Recipe(
        BlossomNet,
        (
            Phase("train-112", crop=96, epochs=14, peak_rate=2e-3, warmup=0.15),
            Phase("train-168", crop=144, epochs=4, peak_rate=1e-3, warmup=0.1),
            Phase("train-256", crop=224, epochs=5, peak_rate=1e-3, warmup=0.1),
        ),
    ),
    "mobilenet_v3_small": Recipe(ZOO["mobilenet_v3_small"], slim(20, 14, 3)),
    "mobilenet_v3_large": Recipe(ZOO["mobilenet_v3_large"], slim(14, 12, 3)),
    "efficientnet_b1": Recipe(ZOO["efficientnet_b1"], slim(10, 12, 1)),
    "efficientnet_b3": Recipe(ZOO["efficientnet_b3"], slim(10, 14, 1, share=0.3)),
    "densenet169": Recipe(ZOO["densenet169"], slim(8, 3, 1, share=0.4)),
    "densenet201": Recipe(ZOO["densenet201"], slim(8, 3, 1, share=0.4)),
}
