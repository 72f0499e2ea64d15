"""The zoo's networks: torchvision's own, with widths slimmed until the weights are a few megabytes."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn
from torchvision.models.densenet import DenseNet
from torchvision.models.efficientnet import EfficientNet, MBConvConfig
from torchvision.models.mobilenetv3 import MobileNetV3, _mobilenet_v3_conf


def minimalistic(arch: str, width: float, classes: int) -> nn.Module:
    """MobileNetV3 without squeeze-excite, with ReLU and 3x3 kernels only."""
    blocks, last = _mobilenet_v3_conf(arch, width_mult=width)
    for block in blocks:
        block.use_se, block.use_hs, block.kernel = False, False, 3
    model = MobileNetV3(blocks, last, num_classes=classes)
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Hardswish):
                setattr(parent, name, nn.ReLU())
            elif isinstance(child, nn.Dropout):
                # Not in place: ReLU's gradient needs its output as it was.
                setattr(parent, name, nn.Dropout(child.p))
    return model


# Expansion, kernel, stride, output channels and layers of EfficientNet-B0's stages, and the input channels of each.
STAGES = ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1))


def efficientnet(width: float, depth: float, classes: int) -> nn.Module:
    """EfficientNet scaled in width and depth, without stochastic depth: these runs are too short for it."""
    inputs = (32, *(stage[3] for stage in STAGES))
    settings = [
        MBConvConfig(expand, kernel, stride, before, after, layers, width_mult=width, depth_mult=depth)
        for before, (expand, kernel, stride, after, layers) in zip(inputs, STAGES)
    ]
    return EfficientNet(settings, dropout=0.1, stochastic_depth_prob=0.0, num_classes=classes)


def densenet(blocks: tuple[int, ...], growth: int, classes: int) -> nn.Module:
    """DenseNet with its usual proportions: the stem is twice as wide as a layer's growth."""
    return DenseNet(growth, blocks, 2 * growth, num_classes=classes)


ZOO: dict[str, Callable[[int], nn.Module]] = {
    "mobilenet_v3_small": lambda classes: minimalistic("mobilenet_v3_small", 0.75, classes),
    "mobilenet_v3_large": lambda classes: minimalistic("mobilenet_v3_large", 0.5, classes),
    "efficientnet_b1": lambda classes: efficientnet(0.25, 1.1, classes),
    "efficientnet_b3": lambda classes: efficientnet(0.3, 1.4, classes),
    "densenet169": lambda classes: densenet((6, 12, 32, 32), 6, classes),
    "densenet201": lambda classes: densenet((6, 12, 48, 32), 6, classes),
}
