"""Trains one network on the blossom pictures, measures it, and saves it.

Usage: python models/training/train.py --data DIR --network NAME --out FILE

DIR holds what pack.ts wrote: train-112, train-168, train-256, test-256 and calibration-256. FILE ends in .pth for a
checkpoint (a state_dict), or in .onnx for an export checked against PyTorch.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from data import augmented_batch, center_crop, load_packed
from network import count_macs, count_parameters
from recipes import RECIPES, Phase

INPUT_SIDE = 224


def learning_rate(phase: Phase, progress: float) -> float:
    """Linear rise, then half a cosine down to nearly zero."""
    if progress < phase.warmup:
        return phase.peak_rate * max(progress, 1e-3) / phase.warmup
    rest = (progress - phase.warmup) / (1 - phase.warmup)
    return phase.peak_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * rest)))


@torch.no_grad()
def predict(model: nn.Module, pixels: np.ndarray) -> torch.Tensor:
    """The class the network puts first for each picture."""
    model.eval()
    guesses = [
        model(center_crop(pixels[i : i + 48], INPUT_SIDE).contiguous(memory_format=torch.channels_last)).argmax(1)
        for i in range(0, len(pixels), 48)
    ]
    return torch.cat(guesses)


def wilson(correct: int, total: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a proportion."""
    z, p = 1.959964, correct / total
    middle = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return middle - half, middle + half


def report(model: nn.Module, name: str, prefix: Path) -> dict[str, float | int]:
    """Top-1 accuracy on a packed split, printed with its interval."""
    pixels, labels = load_packed(prefix)
    correct = int((predict(model, pixels) == labels).sum())
    low, high = wilson(correct, len(labels))
    print(
        f"{name}: {correct}/{len(labels)} = {100 * correct / len(labels):.2f} % top-1 "
        f"(95 % Wilson {100 * low:.2f} to {100 * high:.2f})",
        flush=True,
    )
    return {"correct": correct, "total": len(labels)}


def run_phase(
    model: nn.Module, average: nn.Module, phase: Phase, args: argparse.Namespace, rng: np.random.Generator
) -> None:
    """Trains for one phase; `average` follows the weights as their moving average."""
    pixels, labels = load_packed(args.data / phase.copy)
    decay = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}],
        lr=phase.peak_rate,
        foreach=True,
    )
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    steps = int(len(labels) * phase.share) // args.batch
    for epoch in range(phase.epochs):
        model.train()
        order = rng.permutation(len(labels))
        started, losses = time.monotonic(), 0.0
        for step in range(steps):
            progress = (epoch + step / steps) / phase.epochs
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(phase, progress)
            chosen = np.sort(order[step * args.batch : (step + 1) * args.batch])
            inputs = augmented_batch(pixels[chosen], phase.crop, rng)
            loss = criterion(model(inputs), labels[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses += loss.item()
            update_average(average, model, args.ema)
        seconds = time.monotonic() - started
        print(
            f"{phase.copy} crop {phase.crop} epoch {epoch + 1}/{phase.epochs}: "
            f"loss {losses / steps:.4f}, {seconds:.0f} s",
            flush=True,
        )


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, keep: float) -> None:
    """Moves the averaged weights a little towards the current ones; batch statistics come along."""
    pairs = list(zip(average.state_dict().values(), model.state_dict().values()))
    floats = [(mine, theirs) for mine, theirs in pairs if mine.is_floating_point()]
    torch._foreach_lerp_([mine for mine, _ in floats], [theirs for _, theirs in floats], 1 - keep)
    for mine, theirs in pairs:
        if not mine.is_floating_point():
            mine.copy_(theirs)


def save(model: nn.Module, path: Path) -> None:
    """Writes the state_dict, in the memory layout every PyTorch expects."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(model.to(memory_format=torch.contiguous_format).state_dict(), path)
    print(f"{path.name}: {path.stat().st_size} bytes", flush=True)


def export(model: nn.Module, path: Path, probe: torch.Tensor) -> None:
    """Writes the network as ONNX and checks the file against PyTorch on real pictures."""
    import onnx
    import onnxruntime

    path.parent.mkdir(parents=True, exist_ok=True)
    model = model.to(memory_format=torch.contiguous_format).eval()
    torch.onnx.export(
        model,
        (probe[:1],),
        str(path),
        dynamo=False,
        opset_version=17,
        input_names=["input"],
        output_names=["logits"],
        dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
    )
    onnx.checker.check_model(onnx.load(str(path)), full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (exported,) = session.run(None, {"input": probe.numpy()})
    with torch.no_grad():
        gap = float((torch.from_numpy(exported) - model(probe)).abs().max())
    print(f"{path.name}: {path.stat().st_size} bytes, largest difference from PyTorch {gap:.2e}", flush=True)
    if gap > 1e-3:
        raise RuntimeError("the exported network does not compute what PyTorch computes")


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of packed pictures")
    parser.add_argument("--network", choices=sorted(RECIPES), required=True)
    parser.add_argument("--out", type=Path, required=True, help=".pth or .onnx")
    parser.add_argument("--labels", type=Path, default=Path("calibration-data/labels.txt"))
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--resume", type=int, default=0, metavar="N", help="skip the first N phases, already run")
    parser.add_argument("--ema", type=float, default=0.99)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    classes = args.labels.read_text().split()
    recipe = RECIPES[args.network]
    model = recipe.build(len(classes)).to(memory_format=torch.channels_last)
    average = copy.deepcopy(model)
    facts = {"parameters": count_parameters(model), "macs": count_macs(model, INPUT_SIDE)}
    print(json.dumps({**facts, "network": args.network, "classes": len(classes), "seed": args.seed}), flush=True)

    started = time.monotonic()
    for index, phase in enumerate(recipe.phases):
        saved = args.data / f"{args.network}-{index}.pt"
        if index < args.resume:
            states = torch.load(saved, weights_only=True)
            model.load_state_dict(states["model"])
            average.load_state_dict(states["average"])
            continue
        # A generator for each phase, so that a resumed run draws what an unbroken one would have drawn.
        run_phase(model, average, phase, args, np.random.default_rng((args.seed, index)))
        torch.save({"model": model.state_dict(), "average": average.state_dict()}, saved)
    print(f"this run trained for {(time.monotonic() - started) / 60:.1f} minutes", flush=True)

    report(average, "test", args.data / "test-256")
    report(average, "calibration", args.data / "calibration-256")
    pixels, _ = load_packed(args.data / "test-256")
    if args.out.suffix == ".onnx":
        export(average, args.out, center_crop(pixels[::24], INPUT_SIDE))
    else:
        save(average, args.out)


if __name__ == "__main__":
    main()
