"""Writes photographs, and what torchvision's evaluation preprocessing makes of them.

    python test/agreement/preprocessing.py DIR

The photographs are those that come with scikit-image and scikit-learn, as they are and as other sizes, orientations
and file formats. DIR gets the pictures, each one's float32 [3, 224, 224] tensor, and index.json.
"""

import argparse
import json
from pathlib import Path

import numpy
import PIL
import skimage
import sklearn
import torch
import torchvision
from PIL import Image, ImageOps
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RESIZE, CROP = 256, 224

# Colour photographs (one through a telescope, one through a microscope, one of the inside of an eye) that lie in the
# packages themselves: nothing is downloaded.
PHOTOGRAPHS = {
    skimage: [
        "data/astronaut.png",
        "data/chelsea.png",
        "data/coffee.png",
        "data/hubble_deep_field.jpg",
        "data/ihc.png",
        "data/motorcycle_left.png",
        "data/motorcycle_right.png",
        "data/retina.jpg",
        "data/rocket.jpg",
    ],
    sklearn: ["datasets/images/china.jpg", "datasets/images/flower.jpg"],
}
JPEG = {"format": "JPEG", "quality": 90, "subsampling": "4:2:0"}
PNG = {"format": "PNG"}


def scaled(photograph: Image.Image, factor: float) -> Image.Image:
    size = [max(1, round(side * factor)) for side in photograph.size]
    return photograph.resize(size, Image.Resampling.LANCZOS)


def odd(photograph: Image.Image) -> Image.Image:
    """A part of it whose sides are odd and share no divisor with what it is scaled to."""
    width, height = photograph.size
    return photograph.crop((3, 2, width - width % 2 - 6, height - height % 2 - 9))


def portrait(photograph: Image.Image) -> Image.Image:
    width, height = photograph.size
    narrow = min(width, height) * 3 // 5 | 1
    return photograph.crop(((width - narrow) // 2, 0, (width - narrow) // 2 + narrow, height))


def turned(photograph: Image.Image) -> tuple[Image.Image, dict]:
    """Lies on its side in the file; the orientation tag says how to turn it upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return photograph.transpose(Image.Transpose.ROTATE_90), {**JPEG, "exif": exif.tobytes()}


def mosaic(photographs: list[Image.Image]) -> Image.Image:
    """A picture as large as a camera's that is as sharp as one: enlarging a small one would not be."""
    columns, rows, tile = 5, 4, (600, 480)
    canvas = Image.new("RGB", (columns * tile[0], rows * tile[1]))
    for at in range(columns * rows):
        piece = ImageOps.fit(photographs[at % len(photographs)], tile, Image.Resampling.LANCZOS)
        canvas.paste(piece, (at % columns * tile[0], at // columns * tile[1]))
    return canvas


def pictures():
    """(photograph, variant, file name, writer) of every picture."""
    photographs = {}
    for package, files in PHOTOGRAPHS.items():
        for file in files:
            path = Path(package.__file__).parent / file
            photographs[path.stem] = Image.open(path).convert("RGB")
            yield path.stem, "as it is", path.name, lambda to, path=path: to.write_bytes(path.read_bytes())
    for name, photograph in photographs.items():
        width, height = photograph.size
        shapes = {
            "as JPEG": (photograph, JPEG),
            "halved": (scaled(photograph, 0.5), JPEG),
            "doubled": (scaled(photograph, 2), PNG),
            "odd sides": (odd(photograph), JPEG),
            "portrait": (portrait(photograph), JPEG),
            "panorama": (photograph.crop((0, height // 3, width, height // 3 + height // 4)), PNG),
            "tiny": (scaled(photograph, 97 / width), PNG),
            "turned by EXIF": turned(photograph),
            "grey": (photograph.convert("L"), JPEG),
            "opaque alpha": (photograph.convert("RGBA"), PNG),
        }
        for variant, (picture, options) in shapes.items():
            yield name, variant, f"{name}-{variant.replace(' ', '-')}.{options['format'].lower()}", save(picture, options)
    large = mosaic(list(photographs.values()))
    yield "mosaic", "4:2:0", "mosaic-420.jpeg", save(large, JPEG)
    yield "mosaic", "4:4:4", "mosaic-444.jpeg", save(large, {**JPEG, "subsampling": "4:4:4"})
    yield "mosaic", "PNG", "mosaic.png", save(large, PNG)
    yield "mosaic", "halved", "mosaic-halved.jpeg", save(scaled(large, 0.5), JPEG)


def save(picture: Image.Image, options: dict):
    return lambda to: picture.save(to, **options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    resize = Resize(RESIZE, interpolation=InterpolationMode.BILINEAR)
    transform = Compose([resize, CenterCrop(CROP), ToTensor(), Normalize(MEAN, STD)])
    index = []
    for photograph, variant, file, write in pictures():
        write(folder / file)
        with Image.open(folder / file) as opened:
            # torchvision's own loader leaves the orientation tag alone.
            picture = ImageOps.exif_transpose(opened).convert("RGB")
        tensor = transform(picture).numpy().astype("<f4")
        (folder / f"{file}.f32").write_bytes(numpy.ascontiguousarray(tensor).tobytes())
        index.append({"photograph": photograph, "variant": variant, "file": file, "size": picture.size})
    packages = {"torchvision": torchvision, "torch": torch, "Pillow": PIL, "scikit-image": skimage, "scikit-learn": sklearn}
    versions = {name: package.__version__ for name, package in packages.items()}
    record = {"versions": versions, "resize": RESIZE, "crop": CROP, "mean": MEAN, "std": STD, "pictures": index}
    (folder / "index.json").write_text(json.dumps(record, indent=1))
    print(f"{len(index)} pictures in {folder}")


if __name__ == "__main__":
    main()
