#include <doctest/doctest.h>

#include <cstring>
#include <memory>

#include "onnx/raw_proto.hpp"
#include "support/bytes.hpp"
#include "support/errors.hpp"

using namespace presisi;
using namespace presisi::test;

namespace {

/// A TensorProto of that type and shape; `fill` adds the data.
template <typename F>
std::string tensorProto(DType dtype, const Dims& dims, F&& fill) {
  return message([&](Writer& tensor) {
    tensor.add_packed_int64(wire::tensor::Dims, dims.begin(), dims.end());
    tensor.add_int32(wire::tensor::DataType, static_cast<int32_t>(dtype));
    tensor.add_string(wire::tensor::Name, "t");
    fill(tensor);
  });
}

template <typename F>
bool refuses(ErrorCode code, const std::string& text, DType dtype, const Dims& dims, F&& fill) {
  return throwsError(code, text, [&] { readTensorBytes(tensorProto(dtype, dims, fill)); });
}

const auto kNothing = [](Writer&) {};

}  // namespace

TEST_CASE("tensor: raw data of every type") {
  for (const DType dtype :
       {DType::Float32, DType::Uint8, DType::Int8, DType::Uint16, DType::Int16, DType::Int32, DType::Int64, DType::Bool,
        DType::Float16, DType::Float64, DType::Uint32, DType::Uint64, DType::Bfloat16}) {
    CAPTURE(name(dtype));
    std::string raw(6 * byteSize(dtype), '\0');
    for (size_t i = 0; i < raw.size(); ++i) raw[i] = static_cast<char>(i % 2);
    const Tensor tensor =
        readTensorBytes(tensorProto(dtype, {2, 3}, [&](Writer& t) { t.add_bytes(wire::tensor::RawData, raw); }));
    CHECK(tensor.dtype() == dtype);
    CHECK(tensor.dims() == Dims{2, 3});
    REQUIRE(tensor.bytes() == raw.size());
    CHECK(std::memcmp(tensor.data<char>(), raw.data(), raw.size()) == 0);
  }
}

TEST_CASE("tensor: typed fields, packed and not") {
  const std::vector<int32_t> ints{-3, 0, 127};
  const std::vector<int64_t> longs{-(int64_t{1} << 60), 0, 5};
  const std::vector<uint64_t> unsigneds{0, 1, 4000000000u};
  const std::vector<float> floats{1.5f, -2.25f, 3e-20f};
  const std::vector<double> doubles{1e300, -1, 0};
  for (const bool packed : {true, false}) {
    CAPTURE(packed);
    const auto add = [&](auto field, auto&& values, auto&& pack, auto&& one) {
      return [=, &values](Writer& t) {
        if (packed) return pack(t, field, values);
        for (const auto value : values) one(t, field, value);
      };
    };
    const auto packInt32 = [](Writer& t, auto f, auto&& v) { t.add_packed_int32(f, v.begin(), v.end()); };
    const auto oneInt32 = [](Writer& t, auto f, int32_t v) { t.add_int32(f, v); };
    for (const DType dtype : {DType::Int32, DType::Int16, DType::Int8}) {
      const Tensor t =
          readTensorBytes(tensorProto(dtype, {3}, add(wire::tensor::Int32Data, ints, packInt32, oneInt32)));
      CHECK(t.dtype() == dtype);
      CHECK(t.toInt64s() == std::vector<int64_t>{-3, 0, 127});
    }
    const Tensor l =
        readTensorBytes(tensorProto(DType::Int64, {3},
                                    add(
                                        wire::tensor::Int64Data, longs,
                                        [](Writer& t, auto f, auto&& v) { t.add_packed_int64(f, v.begin(), v.end()); },
                                        [](Writer& t, auto f, int64_t v) { t.add_int64(f, v); })));
    CHECK(l.toInt64s() == longs);
    for (const DType dtype : {DType::Uint32, DType::Uint64}) {
      const Tensor u = readTensorBytes(
          tensorProto(dtype, {3},
                      add(
                          wire::tensor::Uint64Data, unsigneds,
                          [](Writer& t, auto f, auto&& v) { t.add_packed_uint64(f, v.begin(), v.end()); },
                          [](Writer& t, auto f, uint64_t v) { t.add_uint64(f, v); })));
      CHECK(u.toInt64s() == std::vector<int64_t>{0, 1, 4000000000});
    }
    const Tensor f = readTensorBytes(
        tensorProto(DType::Float32, {3},
                    add(
                        wire::tensor::FloatData, floats,
                        [](Writer& t, auto field, auto&& v) { t.add_packed_float(field, v.begin(), v.end()); },
                        [](Writer& t, auto field, float v) { t.add_float(field, v); })));
    CHECK(f.toFloats() == floats);
    const Tensor d = readTensorBytes(
        tensorProto(DType::Float64, {3},
                    add(
                        wire::tensor::DoubleData, doubles,
                        [](Writer& t, auto field, auto&& v) { t.add_packed_double(field, v.begin(), v.end()); },
                        [](Writer& t, auto field, double v) { t.add_double(field, v); })));
    CHECK(d.data<double>()[0] == 1e300);
  }
  // A packed run, then single elements, then another run.
  const Tensor mixed = readTensorBytes(tensorProto(DType::Float32, {5}, [&](Writer& t) {
    t.add_packed_float(wire::tensor::FloatData, floats.begin(), floats.begin() + 2);
    t.add_float(wire::tensor::FloatData, 7);
    t.add_packed_float(wire::tensor::FloatData, floats.begin(), floats.begin() + 2);
  }));
  CHECK(mixed.toFloats() == std::vector<float>{1.5f, -2.25f, 7, 1.5f, -2.25f});
}

TEST_CASE("tensor: bit patterns in int32_data") {
  const auto bits = [](int32_t value) { return [=](Writer& t) { t.add_int32(wire::tensor::Int32Data, value); }; };
  CHECK(readTensorBytes(tensorProto(DType::Float16, {1}, bits(0x3C00))).toFloats().at(0) == 1);
  CHECK(readTensorBytes(tensorProto(DType::Bfloat16, {1}, bits(0xBF80))).toFloats().at(0) == -1);
  CHECK(readTensorBytes(tensorProto(DType::Uint8, {1}, bits(255))).toFloats().at(0) == 255);
  CHECK(readTensorBytes(tensorProto(DType::Bool, {1}, bits(1))).toFloats().at(0) == 1);
  CHECK(refuses(ErrorCode::InvalidModel, "value 300 does not fit in uint8", DType::Uint8, {1}, bits(300)));
  CHECK(refuses(ErrorCode::InvalidModel, "value -1 does not fit in uint8", DType::Uint8, {1}, bits(-1)));
  CHECK(refuses(ErrorCode::InvalidModel, "value 128 does not fit in int8", DType::Int8, {1}, bits(128)));
  CHECK(refuses(ErrorCode::InvalidModel, "does not fit in float16", DType::Float16, {1}, bits(-1)));
}

TEST_CASE("tensor: none, one and no elements") {
  CHECK(readTensorBytes(tensorProto(DType::Float32, {0, 3}, kNothing)).size() == 0);
  CHECK(readTensorBytes(tensorProto(DType::Int64, {0}, [](Writer& t) {
          t.add_bytes(wire::tensor::RawData, "");
        })).dims() == Dims{0});
  const Tensor scalar =
      readTensorBytes(tensorProto(DType::Float32, {}, [](Writer& t) { t.add_float(wire::tensor::FloatData, 4); }));
  CHECK(scalar.rank() == 0);
  CHECK(scalar.toFloats().at(0) == 4);
}

TEST_CASE("tensor: the number of elements must be the shape's") {
  const auto raw = [](size_t bytes) {
    return [=](Writer& t) { t.add_bytes(wire::tensor::RawData, std::string(bytes, 'x')); };
  };
  const auto code = ErrorCode::InvalidModel;
  CHECK(refuses(code, "tensor \"t\": expected 6 elements for shape [2, 3] but found 0", DType::Float32, {2, 3},
                kNothing));
  CHECK(refuses(code, "but found 5", DType::Float32, {2, 3}, raw(20)));
  CHECK(refuses(code, "but found 7", DType::Float32, {2, 3}, raw(28)));
  CHECK(refuses(code, "ends inside an element", DType::Float32, {2, 3}, raw(23)));
  CHECK(refuses(code, "but found 1", DType::Int64, {0}, [](Writer& t) { t.add_int64(wire::tensor::Int64Data, 1); }));
  CHECK(refuses(code, "but found 2", DType::Int8, {3}, [](Writer& t) {
    t.add_int32(wire::tensor::Int32Data, 1);
    t.add_int32(wire::tensor::Int32Data, -1);
  }));
}

TEST_CASE("tensor: shapes that ask for everything get nothing") {
  const int64_t big = int64_t{1} << 60;
  const auto code = ErrorCode::InvalidModel;
  CHECK(refuses(code, "t", DType::Float32, {big}, kNothing));
  CHECK(refuses(code, "t", DType::Uint8, {big}, kNothing));
  CHECK(refuses(code, "t", DType::Float32, {big, big}, kNothing));
  CHECK(refuses(code, "t", DType::Int64, {big, 2}, kNothing));
  CHECK(refuses(code, "negative", DType::Float32, {-1}, kNothing));
  CHECK(refuses(code, "negative", DType::Float32, {0, -1}, kNothing));
  CHECK(refuses(code, "32", DType::Float32, Dims(33, 1), kNothing));
  // A product of zero must not hide factors that overflow.
  CHECK(refuses(code, "t", DType::Float32, {big, big, 0}, kNothing));
}

TEST_CASE("tensor: data that contradicts itself") {
  const auto code = ErrorCode::InvalidModel;
  const auto one = [](uint32_t field) { return [=](Writer& t) { t.add_float(field, 1); }; };
  CHECK(refuses(code, "not the one for int64", DType::Int64, {1}, one(wire::tensor::FloatData)));
  CHECK(refuses(code, "twice", DType::Float32, {1}, [](Writer& t) {
    t.add_float(wire::tensor::FloatData, 1);
    t.add_bytes(wire::tensor::RawData, "1234");
  }));
  CHECK(refuses(code, "strings", DType::Float32, {1}, [](Writer& t) { t.add_bytes(wire::tensor::StringData, "one"); }));
  CHECK(refuses(ErrorCode::UnsupportedModel, "strings", DType::String, {1},
                [](Writer& t) { t.add_bytes(wire::tensor::StringData, "one"); }));
  CHECK(refuses(code, "no element type", DType::Undefined, {1}, kNothing));
  CHECK(refuses(ErrorCode::UnsupportedModel, "type 17", static_cast<DType>(17), {1}, kNothing));
  CHECK(refuses(ErrorCode::UnsupportedModel, "segments", DType::Float32, {1},
                [](Writer& t) { t.add_message(wire::tensor::Segment, std::string()); }));
  // 2^32 + 1 is not float32.
  CHECK(throwsError(ErrorCode::UnsupportedModel, "4294967297", [] {
    readTensorBytes(message([](Writer& t) { t.add_int64(wire::tensor::DataType, 4294967297); }));
  }));
}

TEST_CASE("tensor: varints that never end") {
  const auto packed = [](const std::string& bytes) {
    return [=](Writer& t) { t.add_bytes(wire::tensor::Int64Data, bytes); };
  };
  const auto code = ErrorCode::InvalidModel;
  CHECK(refuses(code, "", DType::Int64, {0}, packed("\x80")));
  CHECK(refuses(code, "", DType::Int64, {1}, packed(std::string(11, '\x80') + '\x01')));
  CHECK(refuses(code, "", DType::Int64, {1}, packed("\x01\x80\x80")));
}

TEST_CASE("tensor: aligned data of a mapped file is looked at, other data copied") {
  const auto owner = std::make_shared<std::string>(modelWithInitializer(
      tensorProto(DType::Float32, {64}, [](Writer& t) { t.add_bytes(wire::tensor::RawData, std::string(256, 'a')); })));
  const size_t at = owner->find(std::string(256, 'a'));
  // The same bytes at every offset from an aligned address: one in four lies right for float32.
  int looked = 0;
  for (size_t shift = 0; shift < 8; ++shift) {
    const auto buffer = std::make_shared<std::vector<uint64_t>>(owner->size() / 8 + 3);
    auto* bytes = reinterpret_cast<uint8_t*>(buffer->data()) + shift;
    std::memcpy(bytes, owner->data(), owner->size());
    const onnx::Model model = onnx::readModel(bytes, owner->size(), buffer);
    const auto* data = model.graph.initializer("t")->data<uint8_t>();
    CHECK(reinterpret_cast<uintptr_t>(data) % 4 == 0);
    CHECK(std::memcmp(data, bytes + at, 256) == 0);
    if (data == bytes + at) ++looked;
  }
  CHECK(looked == 2);
  const onnx::Model copied = readBytes(*owner);
  const auto* data = copied.graph.initializer("t")->data<char>();
  CHECK((data < owner->data() || data >= owner->data() + owner->size()));
}
