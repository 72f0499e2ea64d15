"""Exports a checkpoint to ONNX with the user's own PyTorch: python export.py REQUEST

REQUEST is a JSON object: checkpoint, architecture, classes, input_size, opset, output, trust_pickle. The answer is one
line of JSON on standard output, {"versions": {...}} or {"error": {"code", "message", "hint"}}; whatever else is
printed, by PyTorch or by the user's code, goes to standard error. Python 3.8 and later.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import json
import os
import sys
import threading
import traceback
import zipfile

# The answer keeps the real standard output; everybody else's becomes standard error.
ANSWER = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)

UNAVAILABLE = "ERR_PRESISI_BACKEND_UNAVAILABLE"
ARGUMENT = "ERR_PRESISI_INVALID_ARGUMENT"
INVALID = "ERR_PRESISI_INVALID_MODEL"
UNSUPPORTED = "ERR_PRESISI_UNSUPPORTED_MODEL"
FILE_SYSTEM = "ERR_PRESISI_FILE_SYSTEM"

# Where checkpoints keep the weights beside other things, and what wrappers put before every name.
SECTIONS = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
PREFIXES = ("module.", "_orig_mod.")
TRUST_HINT = "a file that you trust can be read by setting trustPickle (--trust-pickle), which executes code from it"


class Failure(Exception):
    def __init__(self, code, message, hint=None):
        super().__init__(message)
        self.answer = {"code": code, "message": message, **({"hint": hint} if hint else {})}


def first_line(error):
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__


def leave_with_parent():
    """Whoever started this holds standard input open; when they are gone, nobody wants the answer."""

    def wait():
        try:
            while os.read(0, 4096):
                pass
        except OSError:
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def require(module, why, package=None):
    """A package that has to be there; one that is there and does not load is another matter, and is said to be."""
    package = package or module
    pip = f"{sys.executable} -m pip install {package}"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.split(".")[0]:
            raise Failure(UNAVAILABLE, f"{module}, {why}, needs {error.name}, which is not installed for {sys.executable}",
                          f"{sys.executable} -m pip install {error.name}") from error
        raise Failure(UNAVAILABLE, f"{module}, {why}, is not installed for {sys.executable}", pip) from error
    except Exception as error:
        raise Failure(UNAVAILABLE, f"{module}, {why}, is installed for {sys.executable} but does not load: {first_line(error)}",
                      f"its version may not fit the others': {pip} --upgrade") from error


def version_of(module):
    return str(getattr(module, "__version__", "unknown"))


def numbers(version):
    parts = version.split("+")[0].split(".")[:2]
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in parts)


def exporter(torch, opset):
    """The classic exporter's arguments where this PyTorch has it, else those of the new one, which needs onnxscript."""
    known = inspect.signature(torch.onnx.export).parameters
    if "dynamic_axes" in known:
        axes = {"dynamic_axes": {"input": {0: "batch"}, "logits": {0: "batch"}}}
        # Where it can't write an opset, an older one is raised by the caller.
        most = getattr(importlib.import_module("torch.onnx._constants"), "ONNX_TORCHSCRIPT_EXPORTER_MAX_OPSET", 17) \
            if numbers(torch.__version__) >= (2, 0) else 16
        return {**axes, "opset_version": min(opset, most), **({"dynamo": False} if "dynamo" in known else {})}
    require("onnx", "which PyTorch's exporter needs")
    require("onnxscript", "which PyTorch's exporter needs")
    shapes = ({0: torch.export.Dim("batch", min=1)},)
    return {"dynamic_shapes": shapes, "opset_version": opset, "dynamo": True, "external_data": False}


def named(kind, name, names, find):
    if name in names:
        return find(name)
    near = difflib.get_close_matches(name, names, 3)
    raise Failure(ARGUMENT, f"{kind} has no model {name}", f"did you mean {', '.join(near)}?" if near else None)


def builder(architecture):
    """A function that makes the network, by the name the caller gave."""
    kind, _, name = architecture.partition(":")
    if not kind or not name:
        raise Failure(ARGUMENT, f"Expected torchvision:NAME, timm:NAME or module:function for architecture but received {architecture}")
    if kind == "torchvision":
        models = require("torchvision", f"which has {architecture}").models
        if hasattr(models, "list_models"):
            names = models.list_models(module=models)
        else:
            names = [key for key, value in vars(models).items() if key.islower() and inspect.isfunction(value)]
        return named(kind, name, names, lambda key: getattr(models, key))
    if kind == "timm":
        timm = require("timm", f"which has {architecture}")
        return named(kind, name, timm.list_models(), lambda key: lambda **options: timm.create_model(key, pretrained=False, **options))
    # The user's own code: found as `python -m` would, in the working folder first.
    sys.path.insert(0, os.getcwd())
    try:
        value = importlib.import_module(kind)
    except ModuleNotFoundError as error:
        if error.name is None or not (kind + ".").startswith(error.name + "."):
            raise
        raise Failure(ARGUMENT, f"there is no Python module {kind} for the architecture {architecture}",
                      f"it is looked for in {os.getcwd()} and in PYTHONPATH") from error
    for part in name.split("."):
        value = getattr(value, part, None)
    if not callable(value):
        raise Failure(ARGUMENT, f"the module {kind} has no function {name} that could make the network")
    return value


def scripted(path):
    """TorchScript keeps its code in the archive; torch.save does not."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.split("/")[1:2] == ["code"] for name in archive.namelist())


def load_shards(path):
    """The arrays of every file that the index names."""
    with open(path, encoding="utf-8") as file:
        weight_map = json.load(file).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
        raise Failure(INVALID, f"{path}: an index of safetensors files has a weight_map from names to files")
    load, state = require("safetensors.torch", "which reads this checkpoint", "safetensors").load_file, {}
    for name in sorted(set(weight_map.values())):
        if name != os.path.basename(name):
            raise Failure(INVALID, f"{path}: the index names {name}, which is not beside it")
        state.update(load(os.path.join(os.path.dirname(path), name)))
    return state


def load(torch, path, trusted):
    try:
        with open(path, "rb") as file:
            start = file.read(4)
    except OSError as error:
        raise Failure(FILE_SYSTEM, f"cannot read {path}: {error.strerror}") from error
    if path.endswith(".index.json"):
        return load_shards(path)
    if path.endswith(".safetensors"):
        return require("safetensors.torch", "which reads this checkpoint", "safetensors").load_file(path)
    # PyTorch's zip, or the pickle of the format before it.
    if start != b"PK\x03\x04" and start[:1] != b"\x80":
        raise Failure(INVALID, f"{path} is not a checkpoint that PyTorch or safetensors reads")
    if scripted(path):
        if not trusted:
            raise Failure(UNSUPPORTED, f"{path} is a TorchScript archive, which brings its own code", TRUST_HINT)
        return torch.jit.load(path, map_location="cpu")
    if trusted:
        # A module's class is found as the architecture's is.
        sys.path.insert(0, os.getcwd())
        return torch.load(path, map_location="cpu", weights_only=False)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        if "weights_only" not in str(error) and "Weights only" not in str(error):
            raise Failure(INVALID, f"{path} is not a checkpoint that PyTorch reads: {first_line(error)}") from error
        raise Failure(UNSUPPORTED, f"{path} holds more than weights: reading it would execute code from it", TRUST_HINT) from error


def state_of(torch, loaded, path):
    """Names to tensors, whatever they were wrapped in."""
    if isinstance(loaded, torch.nn.Module):
        loaded = loaded.state_dict()
    for section in SECTIONS:
        if isinstance(loaded, dict) and isinstance(loaded.get(section), (dict, torch.nn.Module)):
            return state_of(torch, loaded[section], path)
    if not isinstance(loaded, dict):
        raise Failure(UNSUPPORTED, f"{path} holds a {type(loaded).__name__}, not a state_dict")
    state = {name: value for name, value in loaded.items() if isinstance(value, torch.Tensor)}
    if not state:
        raise Failure(INVALID, f"{path} holds no tensors")
    while any(all(name.startswith(prefix) for name in state) for prefix in PREFIXES):
        state = {name.split(".", 1)[1]: value for name, value in state.items()}
    return state


def listed(names):
    names = list(names)
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def fill(model, state, path, architecture):
    """load_state_dict, strict, with everything that doesn't fit in one message."""
    own = model.state_dict()
    # BatchNorm's counters play no part in inference, and older files lack them.
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in state if name not in own and not name.endswith("num_batches_tracked")]
    shapes = [f"{name} (expected {list(own[name].shape)}, found {list(value.shape)})"
              for name, value in state.items() if name in own and own[name].shape != value.shape]
    problems = [f"{what}: {listed(names)}" for what, names in
                (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes)) if names]
    if problems:
        raise Failure(INVALID, f"{path} does not fit {architecture}; {'; '.join(problems)}",
                      "set classes (--classes) when only the classifier differs" if shapes and not missing + unexpected else None)
    model.load_state_dict({name: value for name, value in state.items() if name in own}, strict=False)


def logits_of(torch, model, example, architecture):
    with torch.no_grad():
        answer = model(example)
    if not isinstance(answer, torch.Tensor):
        raise Failure(UNSUPPORTED, f"{architecture} returns a {type(answer).__name__} where one tensor is expected")
    if answer.dim() == 0 or answer.shape[0] != example.shape[0]:
        raise Failure(UNSUPPORTED, f"{architecture} returns {list(answer.shape)} for a batch of {example.shape[0]}: the batch is not kept")
    return answer


def require_torch(why):
    torch = require("torch", why)
    if numbers(torch.__version__) < (1, 13):
        raise Failure(UNAVAILABLE, f"PyTorch 1.13 or later reads weights without executing code; {sys.executable} has {torch.__version__}",
                      f"{sys.executable} -m pip install --upgrade torch")
    return torch


def network(torch, request):
    """The architecture with the checkpoint's weights, or with its own random ones where no checkpoint is named."""
    path, architecture = request.get("checkpoint"), request["architecture"]
    make = builder(architecture)
    state = path and state_of(torch, load(torch, path, request.get("trust_pickle", False)), path)
    classes = request.get("classes")
    model = make(**({} if classes is None else {"num_classes": classes}))
    if not isinstance(model, torch.nn.Module):
        raise Failure(ARGUMENT, f"{architecture} returns a {type(model).__name__}, not a torch.nn.Module")
    model = model.float().cpu().eval()
    if state:
        fill(model, state, path, architecture)
    return model


def versions_of(torch, architecture):
    """Of Python and the packages that take part."""
    versions = {"python": ".".join(map(str, sys.version_info[:3])), "torch": version_of(torch)}
    package = architecture.partition(":")[0]
    if package in ("torchvision", "timm"):
        versions[package] = version_of(sys.modules[package])
    return versions


def run(request):
    architecture = request["architecture"]
    torch = require_torch("which the exporter runs")
    options = exporter(torch, request["opset"])
    model = network(torch, request)
    # Two pictures: an exporter that is shown a batch of one may take it for a constant.
    example = torch.zeros(2, 3, request["input_size"], request["input_size"])
    logits_of(torch, model, example, architecture)
    torch.onnx.export(model, (example,), request["output"], input_names=["input"], output_names=["logits"], **options)
    return {"versions": versions_of(torch, architecture)}


def say(answer):
    ANSWER.write(json.dumps(answer) + "\n")
    ANSWER.flush()


def answer(run, what):
    """Answers with what `run` makes of the request, or with why it can't; then ends the process."""
    if sys.path[0] == os.path.dirname(os.path.abspath(sys.argv[0])):
        del sys.path[0]  # nothing beside the script is anybody's module
    try:
        say(run(json.loads(sys.argv[1])))
    except Failure as failure:
        traceback.print_exc()
        say({"error": failure.answer})
    except MemoryError:
        say({"error": {"code": "ERR_PRESISI_OUT_OF_MEMORY", "message": "Python ran out of memory"}})
    except Exception as error:
        traceback.print_exc()
        say({"error": {"code": UNSUPPORTED, "message": f"{what} failed: {first_line(error)}"}})
    # Threads that libraries left behind, and this module's own, must not delay the end.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    leave_with_parent()
    answer(run, "the export")
