"""Packed pictures: loading, augmentation, and the preprocessing that inference repeats."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def load_packed(prefix: Path) -> tuple[np.ndarray, torch.Tensor]:
    """Maps PREFIX.u8 as (count, side, side, 3) and reads the labels beside it."""
    labels = np.fromfile(f"{prefix}.labels.u8", dtype=np.uint8)
    pixels = np.memmap(f"{prefix}.u8", dtype=np.uint8, mode="r")
    side = math.isqrt(pixels.size // (3 * labels.size))
    if pixels.size != labels.size * side * side * 3:
        raise ValueError(f"{prefix}.u8 does not hold {labels.size} square RGB pictures")
    return pixels.reshape(labels.size, side, side, 3), torch.from_numpy(labels.astype(np.int64))


def normalize(pixels: torch.Tensor) -> torch.Tensor:
    """RGB values in [0, 1], NCHW, to the network's input."""
    return (pixels - MEAN) / STD


def center_crop(pixels: np.ndarray, side: int) -> torch.Tensor:
    """The evaluation preprocessing, from where packing left off: squares whose side is 256."""
    start = (pixels.shape[1] - side) // 2
    crop = pixels[:, start : start + side, start : start + side]
    batch = torch.from_numpy(np.ascontiguousarray(crop)).permute(0, 3, 1, 2)
    return normalize(batch.float() / 255)


def augmented_batch(pixels: np.ndarray, side: int, rng: np.random.Generator) -> torch.Tensor:
    """Random crops with rotation, scale, mirror and colour change, one draw for each picture."""
    count = pixels.shape[0]
    batch = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float().div_(255)

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.from_numpy(rng.uniform(low, high, count).astype(np.float32))

    angle = uniform(-0.35, 0.35)
    scale = side / pixels.shape[1] * torch.exp(uniform(-0.15, 0.12))
    mirror = torch.from_numpy(rng.choice(np.float32([-1, 1]), count))
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    theta = torch.stack(
        [
            torch.stack([cos * mirror, -sin, uniform(-0.1, 0.1)], 1),
            torch.stack([sin * mirror, cos, uniform(-0.1, 0.1)], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, [count, 3, side, side], align_corners=False)
    batch = F.grid_sample(batch, grid, mode="bilinear", padding_mode="reflection", align_corners=False)

    def factor(spread: float) -> torch.Tensor:
        return torch.exp(uniform(-spread, spread)).view(-1, 1, 1, 1)

    mean = batch.mean((1, 2, 3), keepdim=True)
    grey = batch.mean(1, keepdim=True)
    batch = torch.lerp(grey, batch, factor(0.2))
    batch = (batch - mean) * factor(0.2) + mean * factor(0.15)
    return normalize(batch.clamp_(0, 1)).contiguous(memory_format=torch.channels_last)
