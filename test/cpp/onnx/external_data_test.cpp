#include "onnx/external_data.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "onnx/raw_proto.hpp"
#include "support/bytes.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

using namespace presisi;
using namespace presisi::test;
namespace fs = std::filesystem;

namespace {

using Entries = std::vector<std::pair<std::string, std::string>>;

/// A model whose initializer `t`, two floats, lies elsewhere.
std::string modelAt(const Entries& entries) {
  return modelWithInitializer(message([&](Writer& tensor) {
    const std::vector<int64_t> dims{2};
    tensor.add_packed_int64(wire::tensor::Dims, dims.begin(), dims.end());
    tensor.add_int32(wire::tensor::DataType, 1);
    tensor.add_string(wire::tensor::Name, "t");
    tensor.add_int32(wire::tensor::DataLocation, wire::tensor::kExternal);
    for (const auto& pair : entries) {
      tensor.add_message(wire::tensor::ExternalData, message([&](Writer& entry) {
                           entry.add_string(wire::entry::Key, pair.first);
                           entry.add_string(wire::entry::Value, pair.second);
                         }));
    }
  }));
}

std::string floats(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

struct Fixture {
  TemporaryFolder outside;
  fs::path folder = outside.path() / "model";

  Fixture() {
    outside.write("secret.bin", floats({6, 6}));
    outside.write("model/weights.bin", floats({1, 2, 3, 4}));
    outside.write("model/sub/weights.bin", floats({7, 8}));
    outside.write("modelling/weights.bin", floats({6, 6}));
  }

  std::vector<float> read(const Entries& entries) const {
    const std::string path = outside.write("model/model.onnx", modelAt(entries));
    return onnx::readModel(path).graph.initializer("t")->toFloats();
  }

  bool refuses(const std::string& text, const Entries& entries, ErrorCode code = ErrorCode::InvalidModel) const {
    return throwsError(code, text, [&] { read(entries); });
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "external data: offsets and lengths") {
  CHECK(read({{"location", "weights.bin"}}) == std::vector<float>{1, 2});
  CHECK(read({{"location", "weights.bin"}, {"offset", "8"}, {"length", "8"}}) == std::vector<float>{3, 4});
  CHECK(read({{"location", "sub/weights.bin"}}) == std::vector<float>{7, 8});
  CHECK(read({{"location", "sub/../weights.bin"}}) == std::vector<float>{1, 2});
  CHECK(read({{"location", "weights.bin"}, {"checksum", "ignored"}}) == std::vector<float>{1, 2});
  // Not aligned to a float: copied.
  outside.write("model/odd.bin", "x" + floats({5, 6}));
  CHECK(read({{"location", "odd.bin"}, {"offset", "1"}}) == std::vector<float>{5, 6});
}

TEST_CASE_FIXTURE(Fixture, "external data: outside the file") {
  CHECK(refuses("the file has 16", {{"location", "weights.bin"}, {"offset", "9"}}));
  CHECK(refuses("the file has 16", {{"location", "weights.bin"}, {"offset", "18446744073709551615"}}));
  CHECK(refuses("length is 4", {{"location", "weights.bin"}, {"length", "4"}}));
  for (const char* bad : {"-1", "", "0x8", "8 ", "18446744073709551616", "99999999999999999999999"}) {
    CAPTURE(bad);
    CHECK(
        refuses("tensor \"t\": expected a number of bytes as offset", {{"location", "weights.bin"}, {"offset", bad}}));
  }
}

TEST_CASE_FIXTURE(Fixture, "external data: outside the folder") {
  const std::string text = "to be a path inside the model's folder";
  for (const std::string& location :
       {std::string("../secret.bin"), std::string("sub/../../secret.bin"), std::string("/etc/passwd"), std::string(""),
        std::string(".."), (outside.path() / "secret.bin").string(), (folder / "weights.bin").string(),
        std::string("weights.bin\0.txt", 15), std::string("../modelling/weights.bin")}) {
    CAPTURE(location);
    CHECK(refuses(text, {{"location", location}}));
  }
  CHECK(refuses(text, {{"offset", "0"}}));
}

TEST_CASE_FIXTURE(Fixture, "external data: links") {
  fs::create_symlink(outside.path() / "secret.bin", folder / "file-link.bin");
  fs::create_directory_symlink(outside.path(), folder / "folder-link");
  fs::create_symlink("weights.bin", folder / "inner-link.bin");
  fs::create_directory_symlink(outside.path() / "modelling", folder / "prefix");
  CHECK(refuses("leads out", {{"location", "file-link.bin"}}));
  CHECK(refuses("leads out", {{"location", "folder-link/secret.bin"}}));
  CHECK(refuses("leads out", {{"location", "prefix/weights.bin"}}));
  CHECK(read({{"location", "inner-link.bin"}}) == std::vector<float>{1, 2});
  // The model's own folder may be reached by a link.
  fs::create_directory_symlink(folder, outside.path() / "alias");
  outside.write("model/model.onnx", modelAt({{"location", "weights.bin"}}));
  CHECK(onnx::readModel((outside.path() / "alias" / "model.onnx").string()).graph.initializer("t") != nullptr);
}

TEST_CASE_FIXTURE(Fixture, "external data: what is no file") {
  CHECK(refuses("missing.bin", {{"location", "missing.bin"}}, ErrorCode::FileSystem));
  CHECK(refuses("not a regular file", {{"location", "sub"}}));
  CHECK(refuses("not a regular file", {{"location", "."}}));
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(refuses("not a regular file", {{"location", "pipe"}}));
}

TEST_CASE_FIXTURE(Fixture, "external data: from memory only where a folder is given") {
  const std::string bytes = modelAt({{"location", "weights.bin"}});
  CHECK(throwsError(ErrorCode::InvalidModel, "another file", [&] { readBytes(bytes); }));
  CHECK(readBytes(bytes, folder.string()).graph.initializer("t")->toFloats() == std::vector<float>{1, 2});
  CHECK(readBytes(bytes, folder.string() + "/").graph.initializer("t")->toFloats() == std::vector<float>{1, 2});
}

TEST_CASE_FIXTURE(Fixture, "external data: the tensors keep the file") {
  Tensor tensor;
  {
    onnx::ExternalData external(folder.string());
    tensor = external.load({{"location", "weights.bin"}}, DType::Float32, {4}, "t");
    const Tensor again = external.load({{"location", "weights.bin"}}, DType::Float32, {4}, "t");
    CHECK(again.data<float>() == tensor.data<float>());
  }
  fs::remove(folder / "weights.bin");
  CHECK(tensor.toFloats() == std::vector<float>{1, 2, 3, 4});
}
