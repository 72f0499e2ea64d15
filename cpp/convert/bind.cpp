#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <utility>

#include "architectures/shapes.hpp"
#include "convert/convert.hpp"
#include "core/error.hpp"

namespace presisi::convert {

namespace {

using architectures::Parameter;
using checkpoint::Entry;

constexpr size_t kMostListed = 20;

/// Names for a message, the first of them and how many there are.
class Listing {
 public:
  void add(const std::string& line) {
    if (++count_ <= kMostListed) lines_ += "\n  " + line;
  }
  size_t count() const { return count_; }

  /// `3 missing parameters:` and the lines; empty where there are none.
  std::string text(const std::string& kind) const {
    if (count_ == 0) return {};
    const std::string noun = count_ == 1 ? " parameter" : " parameters";
    const std::string rest = count_ > kMostListed ? "\n  … and " + std::to_string(count_ - kMostListed) + " more" : "";
    return "\n" + std::to_string(count_) + " " + kind + noun + ":" + lines_ + rest;
  }

 private:
  size_t count_ = 0;
  std::string lines_;
};

bool endsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/// How many batches a normalization's statistics come from: training needs it, inference doesn't.
bool isBookkeeping(const std::string& name) { return endsWith(name, "num_batches_tracked"); }

/// What tools leave behind among the parameters without its being part of the network: the counters of averaged models
/// and of FLOP counters.
bool isLeftover(const std::string& name) {
  for (const char* known : {"n_averaged", "total_ops", "total_params"}) {
    if (name == known || endsWith(name, std::string(".") + known)) return true;
  }
  return false;
}

bool isFloatingPoint(DType dtype) {
  return dtype == DType::Float32 || dtype == DType::Float64 || dtype == DType::Float16 || dtype == DType::Bfloat16;
}

/// An array can claim many elements that share few bytes (a stride of 0), and a file many arrays of the same bytes;
/// as floats of their own they would take memory that no file stands for.
void requireHonestSize(const architectures::Network& network, const std::map<std::string, const Entry*>& entries) {
  constexpr uint64_t kMostPerByte = 8;
  std::set<const MappedFile*> files;
  uint64_t claimed = 0;
  for (const Parameter& parameter : network.parameters) {
    const Entry& entry = *entries.at(parameter.name);
    if (entry.file == nullptr) return;  // the caller's own memory
    files.insert(entry.file.get());
    claimed += static_cast<uint64_t>(elementCount(entry.dims)) * byteSize(entry.dtype);
  }
  uint64_t present = 0;
  for (const MappedFile* file : files) present += file->size();
  if (claimed / kMostPerByte <= present) return;
  throw Error(ErrorCode::InvalidModel, "the checkpoint's arrays claim " + std::to_string(claimed) +
                                           " bytes of a file of " + std::to_string(present));
}

/// Elements that are NaN or infinite: those whose exponent is all ones.
int64_t countNonFinite(const Tensor& tensor) {
  constexpr uint32_t kExponent = 0x7f800000u;
  const uint8_t* bytes = tensor.data<uint8_t>();
  int64_t count = 0;
  for (int64_t i = 0; i < tensor.size(); ++i) {
    uint32_t bits;
    std::memcpy(&bits, bytes + i * 4, sizeof bits);
    count += (bits & kExponent) == kExponent;
  }
  return count;
}

std::map<std::string, const Entry*> entriesByName(const checkpoint::Checkpoint& checkpoint) {
  std::map<std::string, const Entry*> entries;
  for (const auto& [name, entry] : checkpoint.entries) {
    const std::string canonical = architectures::canonicalName(name);
    if (entries.emplace(canonical, &entry).second) continue;
    throw Error(ErrorCode::InvalidModel, "the checkpoint has " + canonical + " twice: under its old and its new name");
  }
  return entries;
}

void requireMatch(const architectures::Network& network, const std::map<std::string, const Entry*>& entries,
                  std::vector<std::string>& warnings) {
  Listing missing;
  Listing misshapen;
  Listing mistyped;
  Listing unexpected;
  std::set<std::string> wanted;
  for (const Parameter& parameter : network.parameters) {
    wanted.insert(parameter.name);
    const auto it = entries.find(parameter.name);
    if (it == entries.end()) {
      missing.add(parameter.name + " " + toString(parameter.dims));
    } else if (it->second->dims != parameter.dims) {
      misshapen.add(parameter.name + ": expected " + toString(parameter.dims) + " but the checkpoint has " +
                    toString(it->second->dims));
    } else if (!isFloatingPoint(it->second->dtype)) {
      mistyped.add(parameter.name + ": expected floating point but the checkpoint has " + name(it->second->dtype));
    }
  }
  for (const auto& [name, entry] : entries) {
    if (wanted.count(name) > 0 || isBookkeeping(name)) continue;
    if (isLeftover(name)) {
      warnings.push_back("ignored " + name + ": a counter that some tool left, no parameter");
    } else {
      unexpected.add(name + " " + toString(entry->dims));
    }
  }
  const std::string problems =
      missing.text("missing") + misshapen.text("misshapen") + mistyped.text("mistyped") + unexpected.text("unexpected");
  if (problems.empty()) return;
  throw Error(ErrorCode::InvalidModel, "the checkpoint doesn't fit " + network.architecture + ":" + problems,
              "the parameters of the architecture and of the checkpoint must be the same, by name and shape");
}

}  // namespace

onnx::Model bind(const architectures::Network& network, const checkpoint::Checkpoint& checkpoint,
                 std::vector<std::string>& warnings) {
  const std::map<std::string, const Entry*> entries = entriesByName(checkpoint);
  requireMatch(network, entries, warnings);
  requireHonestSize(network, entries);
  onnx::Model model = network.model;
  for (const Parameter& parameter : network.parameters) {
    const Tensor stored = checkpoint::tensor(*entries.at(parameter.name));
    Tensor values = stored.dtype() == DType::Float32 ? stored : stored.cast(DType::Float32);
    if (const int64_t count = countNonFinite(values)) {
      warnings.push_back(parameter.name + " has " + std::to_string(count) + " of " + std::to_string(values.size()) +
                         " elements that are NaN or infinite");
    }
    model.graph.initializers[parameter.name] = std::move(values);
  }
  return model;
}

}  // namespace presisi::convert
