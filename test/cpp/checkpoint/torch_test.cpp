#include <doctest/doctest.h>

#include "checkpoint/archive_builder.hpp"
#include "checkpoint/checkpoint.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

using namespace presisi;
using namespace presisi::test;
using checkpoint::Checkpoint;
using checkpoint::FileKind;

namespace {

Checkpoint readBytes(const std::string& bytes) {
  const TemporaryFolder folder;
  return checkpoint::read(folder.write("checkpoint.pth", bytes));
}

bool refuses(ErrorCode code, const std::string& text, const TorchFile& file) {
  return throwsError(code, text, [&] { readBytes(file.bytes()); });
}

/// A state_dict of one FP32 vector under each name.
TorchFile named(const std::vector<std::string>& names) {
  TorchFile file;
  std::vector<std::pair<std::string, std::string>> items;
  for (const auto& name : names) {
    items.emplace_back(name, pickled::tensor(pickled::storage("FloatStorage", "0", 2), 0, {2}, {1}));
  }
  file.root = pickled::dict(items, pickled::kOrderedDict);
  file.storages = {{"0", bytesOf<float>({1, 2})}};
  return file;
}

std::vector<std::string> namesOf(const Checkpoint& checkpoint) {
  std::vector<std::string> names;
  for (const auto& [name, entry] : checkpoint.entries) names.push_back(name);
  return names;
}

/// The tensors of one element under keys: `{"state_dict": 1}` -> {"state_dict": {"w": tensor of 1}}.
TorchFile sections(const std::vector<std::pair<std::string, int>>& keys) {
  TorchFile file;
  std::vector<std::pair<std::string, std::string>> items;
  for (const auto& [key, value] : keys) {
    const std::string storage = std::to_string(value);
    items.emplace_back(
        key, pickled::dict({{"w", pickled::tensor(pickled::storage("FloatStorage", storage, 1), 0, {1}, {1})}}));
    file.storages.emplace_back(storage, bytesOf<float>({static_cast<float>(value)}));
  }
  file.root = pickled::dict(items);
  return file;
}

float onlyValue(const Checkpoint& checkpoint) { return checkpoint::tensor(checkpoint.entries.at("w")).toFloats()[0]; }

}  // namespace

TEST_CASE("a state_dict is read as torch.save writes it, as views of the file") {
  const TemporaryFolder folder;
  const std::string path = folder.write("a.pth", smallTorchFile().bytes());
  CHECK(checkpoint::kindOf(path) == FileKind::Torch);
  const Checkpoint read = checkpoint::read(path);
  CHECK(read.format == Checkpoint::Format::PyTorch);
  CHECK(std::string(name(read.format)) == "PyTorch");
  CHECK(read.section.empty());
  CHECK(read.files == std::vector<std::string>{path});
  REQUIRE(namesOf(read) == std::vector<std::string>{"weight"});
  const auto& entry = read.entries.at("weight");
  CHECK(entry.isDense());
  const Tensor tensor = checkpoint::tensor(entry);
  CHECK(tensor.dtype() == DType::Float32);
  CHECK(tensor.dims() == Dims{2, 3});
  CHECK(tensor.toFloats() == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(tensor.data<uint8_t>() == entry.data);
}

TEST_CASE("data that isn't aligned is copied") {
  ZipOptions options;
  options.alignment = 1;
  bool copied = false;
  for (size_t shift = 0; shift < 4; ++shift) {
    TorchFile file = smallTorchFile();
    file.byteOrder = "little";
    auto members = file.members();
    for (auto& member : members) member.name = std::string(shift, 'x') + member.name;
    const Checkpoint read = readBytes(makeZip(members, options));
    const auto& entry = read.entries.at("weight");
    const Tensor tensor = checkpoint::tensor(entry);
    CHECK(tensor.toFloats() == std::vector<float>{0, 1, 2, 3, 4, 5});
    copied = copied || tensor.data<uint8_t>() != entry.data;
  }
  CHECK(copied);
}

TEST_CASE("every type of storage that a tensor can have is read") {
  const std::vector<std::pair<std::string, DType>> types = {
      {"FloatStorage", DType::Float32},  {"HalfStorage", DType::Float16}, {"BFloat16Storage", DType::Bfloat16},
      {"DoubleStorage", DType::Float64}, {"LongStorage", DType::Int64},   {"IntStorage", DType::Int32},
      {"ShortStorage", DType::Int16},    {"CharStorage", DType::Int8},    {"ByteStorage", DType::Uint8},
      {"BoolStorage", DType::Bool}};
  for (const auto& expected : types) {
    const std::string& type = expected.first;
    const DType dtype = expected.second;
    CAPTURE(type);
    TorchFile file;
    file.root = pickled::dict({{"t", pickled::tensor(pickled::storage(type, "7", 2), 1, {}, {})}});
    std::string bytes(2 * byteSize(dtype), '\0');
    bytes[byteSize(dtype)] = 1;
    file.storages = {{"7", bytes}};
    const Tensor tensor = checkpoint::tensor(readBytes(file.bytes()).entries.at("t"));
    CHECK(tensor.dtype() == dtype);
    CHECK(tensor.dims().empty());
    CHECK(tensor.data<uint8_t>()[0] == 1);
  }
}

TEST_CASE("an untyped storage is read by the element type beside it") {
  TorchFile file;
  file.root = pickled::dict(
      {{"t", pickled::reduce(pickled::global("torch._utils", "_rebuild_tensor_v3"),
                             pickled::tuple({pickled::storage("UntypedStorage", "0", 4, "torch.storage"),
                                             pickled::integer(1), pickled::integers({1}), pickled::integers({1}),
                                             "\x89", pickled::kOrderedDict, pickled::global("torch", "uint16")}))}});
  file.storages = {{"0", bytesOf<uint16_t>({7, 9})}};
  const Tensor tensor = checkpoint::tensor(readBytes(file.bytes()).entries.at("t"));
  CHECK(tensor.dtype() == DType::Uint16);
  CHECK(tensor.toInt64s() == std::vector<int64_t>{9});
}

TEST_CASE("views share a storage and are made dense") {
  TorchFile file;
  const std::string storage = pickled::storage("ShortStorage", "0", 12);
  file.root = pickled::dict({{"all", pickled::tensor(storage, 0, {3, 4}, {4, 1})},
                             {"transposed", pickled::tensor(storage, 0, {4, 3}, {1, 4})},
                             {"slice", pickled::tensor(storage, 5, {2, 2}, {4, 1})},
                             {"row", pickled::tensor(storage, 4, {1, 4}, {99, 1})},
                             {"none", pickled::tensor(storage, 12, {0, 5}, {5, 1})}});
  file.storages = {{"0", bytesOf<int16_t>({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})}};
  const Checkpoint read = readBytes(file.bytes());
  const auto values = [&](const char* name) { return checkpoint::tensor(read.entries.at(name)).toInt64s(); };
  CHECK(values("transposed") == std::vector<int64_t>{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11});
  CHECK(values("slice") == std::vector<int64_t>{5, 6, 9, 10});
  CHECK(values("row") == std::vector<int64_t>{4, 5, 6, 7});
  CHECK(values("none").empty());
  CHECK(checkpoint::tensor(read.entries.at("none")).dims() == Dims{0, 5});
  CHECK_FALSE(read.entries.at("transposed").isDense());
  CHECK(read.entries.at("row").isDense());
  CHECK(read.entries.at("all").data == read.entries.at("transposed").data);
}

TEST_CASE("a parameter is the tensor it wraps") {
  TorchFile file = smallTorchFile();
  const std::string tensor = pickled::tensor(pickled::storage("FloatStorage", "0", 6), 0, {6}, {1});
  file.root = pickled::dict({{"p", pickled::reduce(pickled::global("torch._utils", "_rebuild_parameter"),
                                                   pickled::tuple({tensor, "\x88", pickled::kOrderedDict}))}});
  CHECK(readBytes(file.bytes()).entries.at("p").dims == Dims{6});
}

TEST_CASE("the prefixes of wrappers are taken off when every name has them") {
  CHECK(namesOf(readBytes(named({"module.a", "module.b"}).bytes())) == std::vector<std::string>{"a", "b"});
  CHECK(namesOf(readBytes(named({"_orig_mod.module.a.module.x", "_orig_mod.module.b"}).bytes())) ==
        std::vector<std::string>{"a.module.x", "b"});
  CHECK(namesOf(readBytes(named({"module._orig_mod.module.a"}).bytes())) == std::vector<std::string>{"a"});
  CHECK(namesOf(readBytes(named({"module.a", "b"}).bytes())) == std::vector<std::string>{"b", "module.a"});
  CHECK(namesOf(readBytes(named({"module."}).bytes())) == std::vector<std::string>{"module."});
}

TEST_CASE("the counter of an averaged model is a fact") {
  TorchFile file = named({"module.a", "module.b"});
  file.root = pickled::dict({{"n_averaged", pickled::tensor(pickled::storage("LongStorage", "1", 1), 0, {}, {})},
                             {"module.a", pickled::tensor(pickled::storage("FloatStorage", "0", 2), 0, {2}, {1})}});
  file.storages.emplace_back("1", bytesOf<int64_t>({41}));
  const Checkpoint read = readBytes(file.bytes());
  CHECK(namesOf(read) == std::vector<std::string>{"a"});
  CHECK(read.facts.at("n_averaged") == "41");
}

TEST_CASE("the state_dict is found under the names that training scripts give it") {
  for (const char* key : {"state_dict", "model", "model_state_dict", "state_dict_ema", "model_ema", "ema", "net",
                          "network", "weights", "params"}) {
    const Checkpoint read = readBytes(sections({{"optimizer_like", 1}, {key, 2}, {"other", 3}}).bytes());
    CHECK(read.section == key);
    CHECK(onlyValue(read) == 2);
  }
  SUBCASE("averaged weights go before the last ones, and those before vaguer names") {
    CHECK(readBytes(sections({{"model", 1}, {"state_dict", 2}, {"model_ema", 3}}).bytes()).section == "model_ema");
    CHECK(readBytes(sections({{"params", 1}, {"model", 2}, {"state_dict", 3}}).bytes()).section == "state_dict");
  }
  SUBCASE("the only dict of tensors needs no name") {
    CHECK(readBytes(sections({{"backbone", 5}}).bytes()).section == "backbone");
  }
  SUBCASE("two are a question that is not guessed at") {
    CHECK(
        refuses(ErrorCode::UnsupportedModel, "\"generator\", \"critic\"", sections({{"generator", 1}, {"critic", 2}})));
  }
  SUBCASE("within each other") {
    TorchFile file = sections({{"state_dict", 1}});
    file.root = pickled::dict({{"model", file.root}, {"epoch", pickled::integer(3)}});
    const Checkpoint read = readBytes(file.bytes());
    CHECK(read.section == "model.state_dict");
    CHECK(read.facts.at("epoch") == "3");
  }
}

TEST_CASE("plain data beside the parameters becomes facts") {
  TorchFile file = smallTorchFile();
  const std::string arguments = pickled::global("argparse", "Namespace") + ")\x81" +
                                pickled::dict({{"lr", pickled::real(0.1)}, {"data", pickled::text("imagenet")}}) + "b";
  const std::string scalar = pickled::reduce(
      pickled::global("numpy.core.multiarray", "scalar"),
      pickled::tuple(
          {pickled::reduce(pickled::global("numpy", "dtype"), pickled::tuple({pickled::text("f8"), "\x89", "\x88"})),
           pickled::text("bytes")}));
  file.root = pickled::dict({{"arch", pickled::text("resnet50")},
                             {"epoch", pickled::integer(90)},
                             {"best_acc1", pickled::real(76.15)},
                             {"amp", "\x88"},
                             {"none", pickled::kNone},
                             {"args", arguments},
                             {"scalar", scalar},
                             {"huge", std::string("\x8a\x09", 2) + std::string(9, '\x11')},
                             {"negative", std::string("\x8a\x01\xff", 3)},
                             {"state_dict", file.root + pickled::dict({{"_metadata", pickled::kOrderedDict}}) + "b"}});
  const Checkpoint read = readBytes(file.bytes());
  CHECK(read.section == "state_dict");
  CHECK(read.facts == std::map<std::string, std::string>{{"arch", "resnet50"},
                                                         {"epoch", "90"},
                                                         {"best_acc1", "76.15"},
                                                         {"amp", "true"},
                                                         {"args.lr", "0.1"},
                                                         {"args.data", "imagenet"},
                                                         {"negative", "-1"}});
}

TEST_CASE("what is sound but not read says what to do") {
  TorchFile file = smallTorchFile();
  SUBCASE("big-endian") {
    file.byteOrder = "big";
    CHECK(refuses(ErrorCode::UnsupportedModel, "big-endian", file));
    file.byteOrder = "middle";
    CHECK(refuses(ErrorCode::InvalidModel, "\"middle\"", file));
    file.byteOrder = "";
    CHECK(readBytes(file.bytes()).entries.size() == 1);
  }
  SUBCASE("a version") {
    file.version = "11";
    CHECK(refuses(ErrorCode::UnsupportedModel, "version 11", file));
    file.version = "three";
    CHECK(refuses(ErrorCode::InvalidModel, "\"three\"", file));
  }
  SUBCASE("TorchScript, whose code is compressed") {
    auto members = file.members();
    ZipMember code;
    code.name = "archive/code/__torch__.py";
    code.bytes = "xx";
    code.method = 8;
    members.push_back(code);
    CHECK(throwsError(ErrorCode::UnsupportedModel, "TorchScript", [&] { readBytes(makeZip(members)); }));
    members.back().name = "archive/constants.pkl";
    CHECK(throwsError(ErrorCode::UnsupportedModel, "TorchScript", [&] { readBytes(makeZip(members)); }));
  }
  SUBCASE("a whole module") {
    file.root = pickled::global("torch.nn.modules.container", "Sequential") + ")\x81";
    const auto error = errorOf([&] { readBytes(file.bytes()); });
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::UnsupportedModel);
    CHECK(std::string(error->what()).find("whole pickled module") != std::string::npos);
    CHECK(error->hint().find("torch.save(model.state_dict(), path)") != std::string::npos);
  }
  SUBCASE("no state_dict") {
    file.root = pickled::dict({{"epoch", pickled::integer(1)}});
    CHECK(refuses(ErrorCode::UnsupportedModel, "a dict without tensors, of the keys \"epoch\"", file));
    file.root = pickled::integer(1);
    CHECK(refuses(ErrorCode::UnsupportedModel, "found an integer", file));
  }
  SUBCASE("element types") {
    file.root = pickled::dict({{"z", pickled::tensor(pickled::storage("ComplexFloatStorage", "0", 3), 0, {3}, {1})}});
    CHECK(refuses(ErrorCode::UnsupportedModel, "\"z\" has elements of type ComplexFloatStorage", file));
  }
  SUBCASE("an element type outside of the parameters does not matter") {
    const std::string complex = pickled::tensor(pickled::storage("ComplexFloatStorage", "9", 3), 0, {3}, {1});
    file.root = pickled::dict({{"state_dict", file.root}, {"spectrum", complex}});
    CHECK(readBytes(file.bytes()).entries.size() == 1);
  }
  SUBCASE("expanded tensors") {
    file.root =
        pickled::dict({{"e", pickled::tensor(pickled::storage("FloatStorage", "0", 6), 0, {6, 1000000}, {1, 0})}});
    CHECK(refuses(ErrorCode::UnsupportedModel, "\"e\" of shape [6, 1000000] repeats the 6 elements", file));
  }
}

TEST_CASE("what PyTorch wrote before 1.6 is recognised") {
  const TemporaryFolder folder;
  const auto check = [&](const std::string& bytes, const std::string& text) {
    const std::string path = folder.write("old.pth", bytes);
    CHECK(checkpoint::kindOf(path) == FileKind::TorchLegacy);
    CHECK(throwsError(ErrorCode::UnsupportedModel, text, [&] { checkpoint::read(path); }));
  };
  check(std::string("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.", 21), "before 1.6");
  check("L119547037146038801333356L\n.I1001\n.", "before 1.6");
  check("\x80\x04\x95\x11}.", "a pickle that torch.save did not write");
  std::string tar(1024, '\0');
  tar.replace(0, 8, "sys_info");
  tar.replace(257, 5, "ustar");
  check(tar, "before 1.6");
}

TEST_CASE("other files are no checkpoints") {
  const TemporaryFolder folder;
  for (const std::string bytes : {"", "PK", "\x08\x07\x12\x03xyz", "{\"a\": 1}", "plain text"}) {
    const std::string path = folder.write("other", bytes);
    CHECK(checkpoint::kindOf(path) == FileKind::Other);
    CHECK(throwsError(ErrorCode::InvalidModel, "begins as neither", [&] { checkpoint::read(path); }));
  }
  CHECK(throwsError(ErrorCode::FileSystem, "missing.pth", [&] { checkpoint::read("/nonexistent/missing.pth"); }));
  CHECK(throwsError(ErrorCode::FileSystem, "missing.pth", [&] { checkpoint::kindOf("/nonexistent/missing.pth"); }));
  ZipMember readme;
  readme.name = "folder/readme.txt";
  const auto error = errorOf([&] { readBytes(makeZip({readme})); });
  REQUIRE(error);
  CHECK(std::string(error->what()).find("none that PyTorch wrote") != std::string::npos);
}
