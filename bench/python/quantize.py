"""Quantizes one model with onnxruntime.quantization, as its documentation says it is done for this kind of processor.

Reads what to do as JSON from standard input; its last line of output is a JSON object:
{"seconds", "prepareSeconds", "peakRssBytes"}.
"""

import json
import os
import re
import sys
import tempfile
import time

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image


class Pictures(CalibrationDataReader):
    """Decodes one picture after the other, as torchvision prepares them for ImageNet networks."""

    def __init__(self, task):
        self._input = task["input"]
        self._files = iter(task["images"])
        self._resize, self._crop = task["resize"], task["crop"]
        self._mean = np.array(task["mean"], np.float32).reshape(3, 1, 1)
        self._std = np.array(task["std"], np.float32).reshape(3, 1, 1)

    def get_next(self):
        file = next(self._files, None)
        return None if file is None else {self._input: self._load(file)}

    def _load(self, file):
        picture = Image.open(file).convert("RGB")
        factor = self._resize / min(picture.size)
        picture = picture.resize([round(side * factor) for side in picture.size], Image.BILINEAR)
        left, top = [(side - self._crop) // 2 for side in picture.size]
        picture = picture.crop((left, top, left + self._crop, top + self._crop))
        values = np.asarray(picture, np.float32).transpose(2, 0, 1) / 255
        return np.ascontiguousarray(((values - self._mean) / self._std)[None])


def peak_rss_bytes():
    with open("/proc/self/status") as status:
        return int(re.search(r"^VmHWM:\s+(\d+) kB$", status.read(), re.M)[1]) * 1024


def main():
    task = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        prepared = os.path.join(folder, "prepared.onnx")
        start = time.perf_counter()
        quant_pre_process(task["model"], prepared)
        middle = time.perf_counter()
        quantize_static(
            prepared,
            task["output"],
            Pictures(task),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=task["operators"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod[task["method"]],
        )
        end = time.perf_counter()
    result = {"seconds": end - middle, "prepareSeconds": middle - start, "peakRssBytes": peak_rss_bytes()}
    print("\n" + json.dumps(result))


main()
