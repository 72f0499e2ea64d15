#include "architectures/shapes.hpp"

#include <algorithm>
#include <cctype>

#include "core/error.hpp"

namespace presisi::architectures {

namespace {

// Far beyond any classifier's: what passes them is damage or malice.
constexpr int64_t kMostChannels = 1 << 16;
constexpr int64_t kMostClasses = 1 << 20;
constexpr int64_t kMostModules = 256;
constexpr int64_t kLargestKernel = 31;

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::UnsupportedModel, what,
              "name the architecture to have every missing, unexpected and misshapen parameter listed");
}

bool isDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::string canonicalName(const std::string& name) {
  const size_t layer = name.find("denselayer");
  if (layer == std::string::npos) return name;
  for (const char* old : {".norm.", ".relu.", ".conv."}) {
    const std::string pattern = old;
    const size_t at = name.find(pattern, layer);
    const size_t digit = at + pattern.size();
    if (at == std::string::npos || digit + 1 >= name.size()) continue;
    if ((name[digit] != '1' && name[digit] != '2') || name[digit + 1] != '.') continue;
    return name.substr(0, digit - 1) + name.substr(digit);
  }
  return name;
}

Shapes::Shapes(const std::map<std::string, Dims>& named) {
  for (const auto& [name, dims] : named) dims_.emplace(canonicalName(name), dims);
}

const Dims* Shapes::find(const std::string& name) const {
  const auto it = dims_.find(name);
  return it == dims_.end() ? nullptr : &it->second;
}

bool Shapes::hasUnder(const std::string& module) const {
  const std::string prefix = module + ".";
  const auto it = dims_.lower_bound(prefix);
  return it != dims_.end() && it->first.compare(0, prefix.size(), prefix) == 0;
}

int64_t Shapes::count(const std::string& prefix, int64_t first) const {
  int64_t past = first;
  while (hasUnder(prefix + std::to_string(past))) {
    if (++past - first > kMostModules) {
      fail("more than " + std::to_string(kMostModules) + " modules " + prefix + "*: no network here is that deep");
    }
  }
  for (auto it = dims_.lower_bound(prefix); it != dims_.end() && it->first.compare(0, prefix.size(), prefix) == 0;
       ++it) {
    size_t end = prefix.size();
    while (end < it->first.size() && isDigit(it->first[end])) ++end;
    const size_t digits = end - prefix.size();
    if (digits == 0 || end >= it->first.size() || it->first[end] != '.') continue;
    const bool isHuge = digits > 9;
    if (isHuge || std::stoll(it->first.substr(prefix.size(), digits)) > past) {
      fail("the checkpoint has " + it->first + " but nothing of " + prefix + std::to_string(past));
    }
  }
  return past - first;
}

ConvRead Shapes::conv(const std::string& module, const std::string& norm) const {
  const auto requireChannels = [](const std::string& name, const Dims& dims) {
    if (dims[0] < 1 || dims[0] > kMostChannels) {
      fail(name + " has shape " + toString(dims) + ": expected 1 to " + std::to_string(kMostChannels) + " channels");
    }
  };
  const std::string weight = module + ".weight";
  if (const Dims* dims = find(weight)) {
    if (dims->size() != 4) {
      fail("expected the weight of a 2-D convolution for " + weight + " but its shape is " + toString(*dims));
    }
    requireChannels(weight, *dims);
    const int64_t kernel = (*dims)[2];
    if (kernel != (*dims)[3] || kernel < 1 || kernel > kLargestKernel || kernel % 2 == 0) {
      fail(weight + " has shape " + toString(*dims) + ": expected a square kernel of odd size");
    }
    if ((*dims)[1] < 1 || (*dims)[1] > kMostChannels) {
      fail(weight + " has shape " + toString(*dims) + ": no network here has so many input channels, or so few");
    }
    return {(*dims)[0], (*dims)[1], kernel};
  }
  const std::string scale = norm + ".weight";
  const Dims* dims = find(scale);
  if (norm.empty() || dims == nullptr || dims->size() != 1) fail("the checkpoint has no " + weight);
  requireChannels(scale, *dims);
  return {(*dims)[0], 0, 0};
}

int64_t Shapes::features(const std::string& module, int64_t otherwise) const {
  const Dims* dims = find(module + ".weight");
  if (dims == nullptr || dims->size() != 2) dims = find(module + ".bias");
  if (dims == nullptr || dims->empty()) return otherwise;
  if ((*dims)[0] < 1 || (*dims)[0] > kMostClasses) {
    fail(module + " has " + toString(*dims) + ": expected 1 to " + std::to_string(kMostClasses) + " features");
  }
  return (*dims)[0];
}

}  // namespace presisi::architectures
