#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "onnx/writer.hpp"
#include "support/bytes.hpp"
#include "support/errors.hpp"
#include "support/model_builder.hpp"
#include "support/same_model.hpp"
#include "support/temporary_folder.hpp"

using namespace presisi;
using namespace presisi::test;

namespace {

/// One of everything.
onnx::Model everything() {
  ModelBuilder b;
  b.model.irVersion = 9;
  b.model.producerName = "tester";
  b.model.producerVersion = "1.0";
  b.model.metadata = {{"a", "1"}, {"b", ""}};
  b.model.opsets["com.example"] = 3;
  b.input("x", {-1, 3, 8, -1}).input("flag", {}, DType::Bool).input("h", {0, 2}, DType::Float16);
  b.model.graph.inputs[0].symbols = {"batch", "", "", ""};
  b.output("y").output("z", DType::Int64);
  b.model.graph.outputs[1].hasShape = true;
  b.weight("w", {2, 3, 1, 1}).ints("shape", {-1, 0}).scalar("one", 1);
  b.initializer("none", Tensor(DType::Float32, {0, 4}));
  for (const DType dtype : {DType::Uint8, DType::Int8, DType::Float16, DType::Bfloat16, DType::Float64, DType::Bool}) {
    b.initializer(std::string("c_") + name(dtype), Tensor(dtype, {3}));
  }
  onnx::Attribute strings;
  strings.name = "strings";
  strings.kind = onnx::Attribute::Kind::Strings;
  strings.strings = {"", "two", std::string("\0\xff", 2)};
  b.node("Conv", {"x", "w", ""}, {"y", ""},
         {onnx::Attribute::ofInt("group", 1), onnx::Attribute::ofFloat("f", -0.0f),
          onnx::Attribute::ofFloat("nan", std::nanf("")), onnx::Attribute::ofString("auto_pad", "NOTSET"),
          onnx::Attribute::ofInts("pads", {1, -1, 0}), onnx::Attribute::ofInts("empty", {}),
          onnx::Attribute::ofFloats("floats", {1e-40f, 3}), strings});
  b.node("Constant", {}, {"z"}, {onnx::Attribute::ofTensor("value", Tensor::fromInt64({4, 5}))});
  b.node("Magic", {"x"}, {"m"}, {}, "com.example");
  b.model.graph.nodes[2].name.clear();
  onnx::ValueInfo hint;
  hint.name = "m";
  hint.dtype = DType::Float32;
  hint.dims = {1, -1};
  hint.symbols = {"", "n"};
  b.model.graph.values["m"] = hint;
  hint.name = "y";
  hint.dtype = DType::Undefined;
  hint.hasShape = false;
  hint.dims.clear();
  hint.symbols.clear();
  b.model.graph.values["y"] = hint;
  return b.model;
}

/// The bytes of the file that `writeModelFile` makes.
std::string writtenFile(const TemporaryFolder& folder, const onnx::Model& model) {
  const std::string path = (folder.path() / "model.onnx").string();
  onnx::writeModelFile(model, path);
  std::ifstream file(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  CHECK(bytes.size() == onnx::writtenSize(model));
  return bytes;
}

enum class Outcome { Model, Refused, Wrong };

/// Reads bytes that may be anything: a model, or one of two kinds of Error. Other exceptions fail the test.
Outcome outcome(const std::string& bytes) {
  const auto error = errorOf([&] { readBytes(bytes); });
  if (!error) return Outcome::Model;
  const bool isFitting = error->code() == ErrorCode::InvalidModel || error->code() == ErrorCode::UnsupportedModel;
  return isFitting ? Outcome::Refused : Outcome::Wrong;
}

}  // namespace

TEST_CASE("round trip: everything that a model holds") {
  const onnx::Model model = everything();
  const std::string bytes = onnx::writeModel(model);
  const onnx::Model again = readBytes(bytes);
  CHECK(whatDiffers(model, again) == "");
  CHECK(onnx::writeModel(again) == bytes);
}

TEST_CASE("writer: the internal domain is for engine files only") {
  ModelBuilder b;
  b.input("x", {1}).output("y").node("Swish", {"x"}, {"y"}, {}, onnx::kPresisiDomain);
  CHECK(throwsError(ErrorCode::InvalidArgument, "presisi::Swish \"y_node\"", [&] { onnx::writeModel(b.model); }));
  CHECK(whatDiffers(b.model, readBytes(onnx::writeModel(b.model, true))) == "");
}

TEST_CASE("writer: beyond protobuf's limit") {
  ModelBuilder b;
  b.input("x", {1}).output("y").node("Relu", {"x"}, {"y"});
  // Nothing is read from the tensor before its size is refused.
  static const float nothing = 0;
  b.initializer("w", Tensor::view(DType::Float32, {int64_t{1} << 29}, &nothing));
  CHECK(throwsError(ErrorCode::InvalidArgument, "2 GiB", [&] { onnx::writeModel(b.model); }));
  const TemporaryFolder folder;
  CHECK(throwsError(ErrorCode::InvalidArgument, "2 GiB", [&] { writtenFile(folder, b.model); }));
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("writer: a file has the bytes of the string") {
  const TemporaryFolder folder;
  // Tensors around the size from which they are not copied, at the edges of lengths that take a byte more.
  ModelBuilder sizes;
  sizes.input("x", {-1, 1}).output("y").node("Relu", {"x"}, {"y"});
  for (const int64_t elements : {0, 1, 31, 32, 1023, 1024, 1025, 4095, 4096, 5000, 524287, 524288}) {
    sizes.weight("w" + std::to_string(elements), {elements});
  }
  sizes.node("Constant", {}, {"big"}, {onnx::Attribute::ofTensor("value", sizes.random({3000}))});
  for (const onnx::Model& model : {everything(), sizes.model, onnx::Model()}) {
    const std::string bytes = onnx::writeModel(model);
    CHECK((writtenFile(folder, model) == bytes));
    if (!model.graph.nodes.empty()) CHECK(whatDiffers(model, readBytes(bytes)) == "");
  }
}

TEST_CASE("writer: what can't be written leaves nothing behind") {
  const TemporaryFolder folder;
  ModelBuilder b;
  b.input("x", {1}).output("y").node("Swish", {"x"}, {"y"}, {}, onnx::kPresisiDomain);
  CHECK(throwsError(ErrorCode::InvalidArgument, "presisi::Swish", [&] { writtenFile(folder, b.model); }));
  b.model.graph.nodes[0] = {};
  b.model.graph.nodes[0].attributes = {onnx::Attribute::ofTensor("value", Tensor())};
  CHECK(throwsError(ErrorCode::InvalidArgument, "without a value", [&] { writtenFile(folder, b.model); }));
  CHECK(std::filesystem::is_empty(folder.path()));
  CHECK(throwsError(ErrorCode::FileSystem, "missing",
                    [&] { onnx::writeModelFile(everything(), (folder.path() / "missing" / "m.onnx").string()); }));
}

TEST_CASE("writer: initializers that are no inputs need IR version 4") {
  ModelBuilder b(7);
  b.model.irVersion = 3;
  b.input("x", {1}).output("y").node("Relu", {"x"}, {"y"});
  CHECK(readBytes(onnx::writeModel(b.model)).irVersion == 3);
  b.weight("w", {1});
  CHECK(readBytes(onnx::writeModel(b.model)).irVersion == 4);
}

TEST_CASE("reader: every prefix of a model is refused") {
  const std::string bytes = onnx::writeModel(everything());
  size_t accepted = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    CAPTURE(size);
    const Outcome found = outcome(bytes.substr(0, size));
    REQUIRE(found != Outcome::Wrong);
    if (found == Outcome::Model) ++accepted;
  }
  // Only what ends between two of the top-level fields behind the last import can be whole: here the metadata.
  CHECK(accepted <= 3);
}

TEST_CASE("reader: flipped bytes are a model or an error") {
  const std::string bytes = onnx::writeModel(everything());
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = bytes;
    for (unsigned flips = 1 + random() % 4; flips > 0; --flips) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    CAPTURE(round);
    REQUIRE(outcome(damaged) != Outcome::Wrong);
  }
}

TEST_CASE("reader: bytes moved, doubled and dropped") {
  const std::string bytes = onnx::writeModel(everything());
  std::mt19937 random(8);
  for (int round = 0; round < 5000; ++round) {
    std::string damaged = bytes;
    const size_t from = random() % bytes.size();
    const size_t count = random() % 40;
    if (round % 2 == 0) {
      damaged.erase(from, count);
    } else {
      damaged.insert(random() % bytes.size(), bytes.substr(from, count));
    }
    CAPTURE(round);
    REQUIRE(outcome(damaged) != Outcome::Wrong);
  }
}
