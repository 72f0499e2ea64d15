#include "checkpoint/safetensors.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "checkpoint/json_events.hpp"

namespace presisi::checkpoint {

namespace {

constexpr size_t kLengthBytes = 8;
constexpr size_t kMostDims = 64;

/// Undefined for what no Tensor holds (`F8_E4M3`, `C64`, …).
DType dtypeOf(std::string_view text) {
  constexpr std::pair<std::string_view, DType> kNames[] = {
      {"F32", DType::Float32}, {"F16", DType::Float16}, {"BF16", DType::Bfloat16}, {"F64", DType::Float64},
      {"I64", DType::Int64},   {"I32", DType::Int32},   {"I16", DType::Int16},     {"I8", DType::Int8},
      {"U64", DType::Uint64},  {"U32", DType::Uint32},  {"U16", DType::Uint16},    {"U8", DType::Uint8},
      {"BOOL", DType::Bool}};
  for (const auto& [known, dtype] : kNames) {
    if (known == text) return dtype;
  }
  return DType::Undefined;
}

struct Described {
  std::string dtype;
  Dims dims;
  std::vector<uint64_t> offsets;
  bool hasDtype = false;
  bool hasShape = false;
  bool hasOffsets = false;
};

/// {"__metadata__": {text: text}, name: {"dtype": text, "shape": [numbers], "data_offsets": [begin, end]}}
class HeaderReader final : public JsonEvents {
 public:
  using JsonEvents::JsonEvents;

  std::map<std::string, Described> tensors;
  std::map<std::string, std::string> metadata;

  bool start_object(std::size_t) override {
    if (depth_ == 2 || inArray_ || (depth_ == 1 && !keyed_)) return unexpected("an object");
    ++depth_;
    return true;
  }

  bool end_object() override {
    if (--depth_ == 1 && tensor_ != nullptr) {
      if (!tensor_->hasDtype || !tensor_->hasShape || !tensor_->hasOffsets) {
        corrupt(label_ + ": expected dtype, shape and data_offsets in " + where());
      }
      tensor_ = nullptr;
    }
    return true;
  }

  bool key(string_t& key) override {
    keyed_ = true;
    if (depth_ == 1) {
      name_ = key;
      inMetadata_ = key == "__metadata__";
      if (inMetadata_) {
        if (std::exchange(hasMetadata_, true)) corrupt(label_ + ": its header has __metadata__ twice");
        return true;
      }
      const auto added = tensors.emplace(key, Described{});
      if (key.empty() || !added.second) corrupt(label_ + ": its header names the tensor " + quote(key) + " twice");
      tensor_ = &added.first->second;
      return true;
    }
    field_ = key;
    if (inMetadata_) {
      if (metadata.count(key) > 0) corrupt(label_ + ": its __metadata__ has " + quote(key) + " twice");
      return true;
    }
    bool* seen = key == "dtype"          ? &tensor_->hasDtype
                 : key == "shape"        ? &tensor_->hasShape
                 : key == "data_offsets" ? &tensor_->hasOffsets
                                         : nullptr;
    if (seen == nullptr || *seen) corrupt(label_ + ": the field " + quote(key) + " is out of place in " + where());
    *seen = true;
    return true;
  }

  bool string(string_t& text) override {
    if (depth_ != 2 || inArray_) return unexpected("a string");
    if (inMetadata_) {
      metadata.emplace(field_, text);
    } else if (field_ == "dtype") {
      tensor_->dtype = text;
    } else {
      return unexpected("a string");
    }
    return true;
  }

  bool start_array(std::size_t) override {
    if (depth_ != 2 || inArray_ || inMetadata_ || field_ == "dtype") return unexpected("an array");
    inArray_ = true;
    return true;
  }

  bool end_array() override {
    inArray_ = false;
    if (field_ == "data_offsets" && tensor_->offsets.size() != 2) {
      corrupt(label_ + ": expected a begin and an end as data_offsets in " + where());
    }
    return true;
  }

  bool number_unsigned(number_unsigned_t number) override {
    if (!inArray_) return unexpected("a number");
    if (field_ == "shape") {
      if (number > INT64_MAX || tensor_->dims.size() == kMostDims) return unexpected("a number");
      tensor_->dims.push_back(static_cast<int64_t>(number));
    } else {
      if (tensor_->offsets.size() == 2) return unexpected("a third number");
      tensor_->offsets.push_back(number);
    }
    return true;
  }

 protected:
  std::string where() const override {
    return depth_ < 2 ? "its header" : inMetadata_ ? "its __metadata__" : "the tensor " + quote(name_);
  }

 private:
  int depth_ = 0;
  bool keyed_ = false;
  bool inArray_ = false;
  bool inMetadata_ = false;
  bool hasMetadata_ = false;
  std::string name_;
  std::string field_;
  Described* tensor_ = nullptr;
};

/// The data must be used up: every byte belongs to one tensor. Otherwise a file could carry hidden bytes, or look
/// different to different readers.
void checkCoverage(const std::map<std::string, Described>& tensors, uint64_t dataBytes, const std::string& path) {
  std::vector<std::pair<const std::string*, const std::vector<uint64_t>*>> order;
  order.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors) order.emplace_back(&name, &tensor.offsets);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return *a.second < *b.second; });
  uint64_t expected = 0;
  for (const auto& [name, offsets] : order) {
    const uint64_t begin = (*offsets)[0];
    const uint64_t end = (*offsets)[1];
    const std::string tensor = path + ": the tensor " + quote(*name);
    if (begin != expected) {
      corrupt(tensor + " begins at byte " + std::to_string(begin) + " of the data, but the one before it ends at " +
              std::to_string(expected));
    }
    if (end < begin || end > dataBytes) {
      corrupt(tensor + " spans bytes " + std::to_string(begin) + " to " + std::to_string(end) + " of " +
              std::to_string(dataBytes));
    }
    expected = end;
  }
  if (expected != dataBytes) {
    corrupt(path + ": its tensors take " + std::to_string(expected) + " bytes but it has " + std::to_string(dataBytes));
  }
}

Dims rowMajorStrides(const Dims& dims) {
  Dims strides(dims.size());
  int64_t stride = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= std::max<int64_t>(dims[i], 1);
  }
  return strides;
}

Entry makeEntry(const Described& tensor, const std::string& label, const uint8_t* data,
                const std::shared_ptr<const MappedFile>& file) {
  Entry entry;
  entry.dtype = dtypeOf(tensor.dtype);
  const size_t width = byteSize(entry.dtype);
  if (width == 0) {
    unsupported(label + " has elements of type " + quote(tensor.dtype) + ", which is not read",
                "convert it to F32, F16 or BF16 before saving");
  }
  uint64_t bytes = 0;
  // A dimension of 0 hides the others from the element count, but strides are made of all of them.
  Dims positive = tensor.dims;
  for (int64_t& dim : positive) dim = std::max<int64_t>(dim, 1);
  elementCount(positive);
  const auto count = static_cast<uint64_t>(elementCount(tensor.dims));
  if (__builtin_mul_overflow(count, width, &bytes) || bytes != tensor.offsets[1] - tensor.offsets[0]) {
    corrupt(label + " of shape " + toString(tensor.dims) + " and type " + tensor.dtype + " should take " +
            std::to_string(width) + " bytes an element but takes " +
            std::to_string(tensor.offsets[1] - tensor.offsets[0]) + " bytes");
  }
  entry.dims = tensor.dims;
  entry.strides = rowMajorStrides(tensor.dims);
  entry.data = data + tensor.offsets[0];
  entry.file = file;
  return entry;
}

}  // namespace

bool isSafetensors(const MappedFile& file) {
  return file.size() > kLengthBytes && load<uint64_t>(file.data()) <= kMostHeaderBytes &&
         file.data()[kLengthBytes] == '{';
}

Checkpoint readSafetensors(const std::string& path, const std::shared_ptr<const MappedFile>& file) {
  const uint64_t headerBytes = load<uint64_t>(file->data());
  const uint64_t room = file->size() - kLengthBytes;
  if (headerBytes > room) {
    corrupt(path + ": its header should have " + std::to_string(headerBytes) + " bytes but " + std::to_string(room) +
            " are left");
  }
  const auto* begin = reinterpret_cast<const char*>(file->data()) + kLengthBytes;
  HeaderReader header(path);
  nlohmann::json::sax_parse(begin, begin + headerBytes, &header);
  checkCoverage(header.tensors, room - headerBytes, path);
  Checkpoint checkpoint;
  checkpoint.format = Checkpoint::Format::Safetensors;
  checkpoint.files = {path};
  checkpoint.facts = std::move(header.metadata);
  for (const auto& [name, tensor] : header.tensors) {
    checkpoint.entries.emplace(
        name, makeEntry(tensor, path + ": the tensor " + quote(name), file->data() + kLengthBytes + headerBytes, file));
  }
  return checkpoint;
}

}  // namespace presisi::checkpoint
