"""A residual network small enough to ship with a package and big enough to be worth quantizing."""

from __future__ import annotations

import torch
from torch import nn

STEM_WIDTH = 24
STAGES = ((24, 1), (48, 1), (96, 1), (144, 2))  # (width, residual blocks); each stage but the first halves the size


def conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """A convolution without bias, followed by its batch normalisation."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 projection where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = conv_bn(inputs, outputs, 3, stride)
        self.second = conv_bn(outputs, outputs, 3)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else conv_bn(inputs, outputs, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.second(torch.relu(self.first(x)))
        return torch.relu(y + self.shortcut(x))


class BlossomNet(nn.Module):
    """Stem, four stages of residual blocks, global average pool, linear classifier."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = conv_bn(3, STEM_WIDTH, 3, stride=2)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        blocks: list[nn.Module] = []
        inputs = STEM_WIDTH
        for stage, (width, count) in enumerate(STAGES):
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(ResidualBlock(inputs, width, stride))
                inputs = width
        self.blocks = nn.Sequential(*blocks)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(inputs, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        for block in blocks:
            # A block that starts as the identity trains faster: its residual branch begins at zero.
            nn.init.zeros_(block.second[1].weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(torch.relu(self.stem(x)))
        x = self.average(self.blocks(x))
        return self.classifier(torch.flatten(x, 1))


def count_parameters(model: nn.Module) -> int:
    """Trainable parameters, batch normalisation's scale and shift included."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_macs(model: nn.Module, side: int) -> int:
    """Multiply-accumulates of the convolutions and the classifier for one square picture."""
    total = 0

    def visit(module: nn.Module, _inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            per_output = module.in_channels // module.groups * module.kernel_size[0] * module.kernel_size[1]
            total += output[0].numel() * per_output
        elif isinstance(module, nn.Linear):
            total += module.in_features * module.out_features

    hooks = [module.register_forward_hook(visit) for module in model.modules()]
    training = model.training
    model.eval()
    with torch.no_grad():
        model(torch.zeros(1, 3, side, side))
    model.train(training)
    for hook in hooks:
        hook.remove()
    return total
