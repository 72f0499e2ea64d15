"""Runs a checkpoint with the user's own PyTorch, as the baseline of an experiment: python pytorch.py REQUEST

REQUEST is a JSON object with a `mode`:
- versions: answers {"versions"}
- latency: architecture, checkpoint, classes, dims, batch, threads, device, warm_up (ms), duration (s), iterations; answers
  {"versions", "device", "load_seconds", "first_run_seconds", "start", "seconds", "times"}. Times are of single runs, in
  milliseconds; `start` is of the monotonic clock, which is the caller's, too.
- classify: architecture, checkpoint, classes, dims, threads, device; answers {"versions", "device"} as soon as the network
  is there, then {"logits", "seconds"} for every batch on standard input: 4 bytes with the number of pictures (little-endian),
  and their values as float32. Logits are base64 of float32. Ends with standard input.
Each answer is one line of JSON on standard output; an error is one, too: {"error": {"code", "message", "hint"}}. Python 3.8
and later.
"""

from __future__ import annotations

import array
import base64
import importlib.util
import os
import sys
import time

# Finding a network, loading its weights and answering are the exporter's; it lies in lib as this script does.
SPEC = importlib.util.spec_from_file_location(
    "presisi_export", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "convert", "export.py"))
export = importlib.util.module_from_spec(SPEC)
sys.dont_write_bytecode = True  # nothing beside it is written
SPEC.loader.exec_module(export)
sys.dont_write_bytecode = False


class Network:
    def __init__(self, request):
        self.torch = torch = export.require_torch("which the baseline runs")
        self.architecture = request["architecture"]
        if request["threads"]:
            torch.set_num_threads(request["threads"])
        wanted = request["device"] == "cuda" and torch.cuda.is_available()
        self.device = torch.device("cuda" if wanted else "cpu")
        start = time.monotonic()
        self.model = export.network(torch, request).to(self.device)
        self.load_seconds = time.monotonic() - start

    def about(self):
        name = self.torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"
        return {"versions": export.versions_of(self.torch, self.architecture), "device": name}

    def run(self, pictures):
        """From memory to memory: fetching the answer waits for the device."""
        with self.torch.inference_mode():
            return self.model(pictures.to(self.device)).cpu()


def latency(request):
    network = Network(request)
    pictures = network.torch.zeros(request["batch"], *request["dims"])
    begin = time.monotonic()
    export.logits_of(network.torch, network.run, pictures, network.architecture)
    first = time.monotonic() - begin

    def once():
        begin = time.perf_counter()
        network.run(pictures)
        return (time.perf_counter() - begin) * 1000

    # The rules of lib/timing.ts.
    warm = time.monotonic()
    once()
    while (time.monotonic() - warm) * 1000 < request["warm_up"]:
        once()
    times = []
    start = time.monotonic()
    while len(times) < request["iterations"] or time.monotonic() - start < request["duration"]:
        times.append(once())
    seconds = time.monotonic() - start
    return {**network.about(), "load_seconds": network.load_seconds, "first_run_seconds": first, "start": start,
            "seconds": seconds, "times": times}


def exactly(count):
    """Undefined (None) where the caller is done, or gone."""
    data = sys.stdin.buffer.read(count)
    return bytearray(data) if len(data) == count else None


def classify(request):
    network = Network(request)
    torch, dims = network.torch, request["dims"]
    size = 4 * dims[0] * dims[1] * dims[2]
    export.say(network.about())
    while True:
        header = exactly(4)
        data = header and exactly(int.from_bytes(header, "little") * size)
        if not data:
            os._exit(0)
        pictures = torch.frombuffer(data, dtype=torch.float32).reshape(-1, *dims)
        begin = time.perf_counter()
        logits = export.logits_of(torch, network.run, pictures, network.architecture)
        seconds = time.perf_counter() - begin
        if logits.dim() != 2:
            raise export.Failure(export.UNSUPPORTED, f"{network.architecture} returns {list(logits.shape)}, no row of numbers for each picture")
        values = array.array("f", logits.float().flatten().tolist())
        export.say({"logits": base64.b64encode(values.tobytes()).decode("ascii"), "seconds": seconds})


def run(request):
    mode = request["mode"]
    if mode == "classify":
        return classify(request)
    export.leave_with_parent()
    if mode == "latency":
        return latency(request)
    torch = export.require_torch("which the baseline runs")
    return {"versions": export.versions_of(torch, request.get("architecture", ":"))}


if __name__ == "__main__":
    export.answer(run, "the baseline")
