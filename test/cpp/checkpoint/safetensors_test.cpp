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
  return checkpoint::read(folder.write("model.safetensors", bytes));
}

bool refuses(const std::string& text, const std::string& header, size_t dataBytes = 8,
             ErrorCode code = ErrorCode::InvalidModel) {
  return throwsError(code, text, [&] { readBytes(makeSafetensors(header, std::string(dataBytes, '\0'))); });
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape, size_t begin,
                  size_t end) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

}  // namespace

TEST_CASE("arrays of a safetensors file, with its metadata") {
  const TemporaryFolder folder;
  const std::string header = "{\"__metadata__\":{\"format\":\"pt\",\"arch\":\"densenet121\"}," +
                             entry("b", "I64", "[1]", 12, 20) + "," + entry("module.x", "F16", "[2,3]", 0, 12) + "," +
                             entry("none", "U8", "[0,7]", 12, 12) + "}    ";
  const std::string path =
      folder.write("a.safetensors",
                   makeSafetensors(header, bytesOf<uint16_t>({0x3C00, 0, 0, 0, 0, 0x4000}) + bytesOf<int64_t>({-5})));
  CHECK(checkpoint::kindOf(path) == FileKind::Safetensors);
  const Checkpoint read = checkpoint::read(path);
  CHECK(std::string(name(read.format)) == "safetensors");
  CHECK(read.facts == std::map<std::string, std::string>{{"format", "pt"}, {"arch", "densenet121"}});
  CHECK(read.files == std::vector<std::string>{path});
  CHECK(checkpoint::tensor(read.entries.at("b")).toInt64s() == std::vector<int64_t>{-5});
  CHECK(checkpoint::tensor(read.entries.at("module.x")).toFloats() == std::vector<float>{1, 0, 0, 0, 0, 2});
  CHECK(read.entries.at("module.x").strides == Dims{3, 1});
  CHECK(checkpoint::tensor(read.entries.at("none")).dims() == Dims{0, 7});
}

TEST_CASE("every element type there is a tensor for") {
  const std::vector<std::pair<std::string, DType>> types = {
      {"F64", DType::Float64}, {"F32", DType::Float32}, {"F16", DType::Float16}, {"BF16", DType::Bfloat16},
      {"I64", DType::Int64},   {"I32", DType::Int32},   {"I16", DType::Int16},   {"I8", DType::Int8},
      {"U64", DType::Uint64},  {"U32", DType::Uint32},  {"U16", DType::Uint16},  {"U8", DType::Uint8},
      {"BOOL", DType::Bool}};
  for (const auto& [text, dtype] : types) {
    const size_t bytes = 3 * byteSize(dtype);
    const Checkpoint read =
        readBytes(makeSafetensors("{" + entry("w", text, "[3]", 0, bytes) + "}", std::string(bytes, '\0')));
    CHECK(checkpoint::tensor(read.entries.at("w")).dtype() == dtype);
  }
  CHECK(refuses("elements of type \"F8_E4M3\"", "{" + entry("w", "F8_E4M3", "[8]", 0, 8) + "}", 8,
                ErrorCode::UnsupportedModel));
}

TEST_CASE("wrappers' prefixes are taken off here too") {
  const Checkpoint read =
      readBytes(makeSafetensors("{" + entry("_orig_mod.w", "F32", "[2]", 0, 8) + "}", std::string(8, '\0')));
  CHECK(read.entries.count("w") == 1);
}

TEST_CASE("the data must be covered exactly") {
  CHECK(refuses("begins at byte 4", "{" + entry("w", "F32", "[1]", 4, 8) + "}"));
  CHECK(refuses("take 4 bytes but it has 8", "{" + entry("w", "F32", "[1]", 0, 4) + "}"));
  CHECK(refuses("take 0 bytes but it has 8", "{}"));
  CHECK(refuses("begins at byte 0", "{" + entry("a", "F32", "[2]", 0, 8) + "," + entry("b", "F32", "[2]", 0, 8) + "}"));
  CHECK(refuses("spans bytes 0 to 16 of 8", "{" + entry("w", "F32", "[4]", 0, 16) + "}"));
  CHECK(refuses("begins at byte 8", "{" + entry("w", "F32", "[1]", 8, 4) + "}"));
  CHECK(refuses("should take 4 bytes an element but takes 8 bytes", "{" + entry("w", "F32", "[3]", 0, 8) + "}"));
  CHECK(refuses("more elements", "{" + entry("w", "F32", "[4611686018427387904,4]", 0, 8) + "}"));
  CHECK(
      refuses("more elements", "{" + entry("w", "F32", "[0,9223372036854775807,9223372036854775807]", 0, 0) + "}", 0));
  CHECK(refuses("should take", "{" + entry("w", "F64", "[4611686018427387905]", 0, 8) + "}"));
}

TEST_CASE("a header that isn't what it should be") {
  CHECK(refuses("JSON is damaged", "{"));
  CHECK(refuses("JSON is damaged", "{} x"));
  CHECK(refuses("JSON is damaged", "{\"\xff\":{}}"));
  CHECK(refuses("a negative number", "{\"w\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,8]}}"));
  CHECK(refuses("a fraction", "{\"w\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}"));
  CHECK(refuses("a number", "{\"w\":{\"dtype\":\"F32\",\"shape\":[18446744073709551615],\"data_offsets\":[0,8]}}"));
  CHECK(refuses("a third number", "{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,8]}}"));
  CHECK(refuses("a begin and an end", "{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}"));
  CHECK(refuses("expected dtype, shape and data_offsets", "{\"w\":{\"dtype\":\"F32\",\"shape\":[2]}}"));
  CHECK(refuses("the field \"extra\"", "{\"w\":{\"extra\":1}}"));
  CHECK(refuses("the field \"dtype\"", "{\"w\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}"));
  CHECK(refuses("\"w\" twice", "{" + entry("w", "F32", "[1]", 0, 4) + "," + entry("w", "F32", "[1]", 4, 8) + "}"));
  CHECK(refuses("a number is out of place", "{\"w\":1}"));
  CHECK(refuses("an array is out of place", "{\"w\":[]}"));
  CHECK(refuses("a string is out of place", "{\"__metadata__\":\"x\"}"));
  CHECK(refuses("a number is out of place in its __metadata__", "{\"__metadata__\":{\"x\":1}}"));
  CHECK(refuses("__metadata__ twice", "{\"__metadata__\":{},\"__metadata__\":{}}"));
  CHECK(refuses("an object is out of place", "{\"w\":{\"dtype\":{}}}"));
  CHECK(refuses("an array is out of place", "{\"w\":{\"shape\":[[]]}}"));
  CHECK(refuses("an array is out of place", "{\"w\":{\"shape\":" + std::string(1000000, '[')));
  CHECK(throwsError(ErrorCode::InvalidModel, "header should have 1000 bytes but 2 are left",
                    [] { readBytes(little(uint64_t{1000}) + "{}"); }));
}

TEST_CASE("a header beyond 100 MB is none") {
  CHECK(
      throwsError(ErrorCode::InvalidModel, "begins as neither", [] { readBytes(little(uint64_t{100000001}) + "{}"); }));
}

namespace {

struct Sharded {
  TemporaryFolder folder;
  std::string path;
  Sharded(const std::string& weightMap, const std::string& metadata = "{\"total_size\": 16, \"by\": \"me\"}") {
    folder.write("one.safetensors", makeSafetensors("{" + entry("a", "F32", "[1]", 0, 4) + "}", bytesOf<float>({1})));
    folder.write("two.safetensors", makeSafetensors("{" + entry("b", "F32", "[1]", 0, 4) + "}", bytesOf<float>({2})));
    path = folder.write("model.safetensors.index.json",
                        " {\"metadata\": " + metadata + ", \"weight_map\": {" + weightMap + "}}\n");
  }
  bool refuses(const std::string& text, ErrorCode code = ErrorCode::InvalidModel) const {
    return throwsError(code, text, [&] { checkpoint::read(path); });
  }
};

}  // namespace

TEST_CASE("a sharded checkpoint is read by its index") {
  const Sharded files(R"("a": "one.safetensors", "b": "two.safetensors")");
  CHECK(checkpoint::kindOf(files.path) == FileKind::SafetensorsIndex);
  const Checkpoint read = checkpoint::read(files.path);
  CHECK(read.entries.size() == 2);
  CHECK(checkpoint::tensor(read.entries.at("b")).toFloats() == std::vector<float>{2});
  CHECK(read.files.size() == 3);
  CHECK(read.facts == std::map<std::string, std::string>{{"total_size", "16"}, {"by", "me"}});
}

TEST_CASE("an index that its shards contradict, or that leads elsewhere") {
  CHECK(Sharded(R"("a": "one.safetensors", "b": "three.safetensors")")
            .refuses("its shard \"three.safetensors\" is missing", ErrorCode::FileSystem));
  CHECK(Sharded(R"("a": "one.safetensors", "c": "one.safetensors")")
            .refuses("the tensor \"c\" is missing from its shard \"one.safetensors\""));
  CHECK(Sharded(R"("a": "two.safetensors")").refuses("has the tensor \"b\", which the index doesn't list there"));
  CHECK(Sharded(R"("a": "one.safetensors", "a": "two.safetensors")").refuses("\"a\" twice"));
  for (const char* name : {"../one.safetensors", "/etc/passwd", "sub/one.safetensors", "..", ".", "", "a\\\\b",
                           "one.safetensors\\u0000"}) {
    CHECK(Sharded("\"a\": \"" + std::string(name) + "\"").refuses("expected the name of a file beside the index"));
  }
  CHECK(Sharded(R"("a": "model.safetensors.index.json")").refuses("is no safetensors file"));
  CHECK(Sharded(R"("a": 1)").refuses("out of place in its weight_map"));
  CHECK(Sharded(R"("a": {})").refuses("out of place in its weight_map"));
  CHECK(Sharded(R"("a": "one.safetensors")", std::string(100000, '[')).refuses("nests deeper"));
  CHECK(Sharded(R"("a": "one.safetensors" "b")").refuses("JSON is damaged"));
}
