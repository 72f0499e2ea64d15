#include "backend/cpu/weight_store.hpp"

#include <algorithm>

namespace presisi::cpu {

void WeightStore::adopt(const Tensor& tensor, BlockedLayout layout, std::string key) {
  adopted_[tensor.data<void>()] = {tensor, std::move(layout), std::move(key)};
}

Tensor WeightStore::plain(const Tensor& weights) const {
  const auto known = adopted_.find(weights.data<void>());
  return known == adopted_.end() ? weights : unpack(weights, known->second.layout);
}

bool WeightStore::within(const Tensor& weights, int most) const {
  if (most >= 128) return true;
  const auto known = adopted_.find(weights.data<void>());
  const int64_t count = known == adopted_.end() ? weights.size() : extent(known->second.layout);
  const auto* begin = weights.data<int8_t>();
  int least = 0, greatest = 0;
  for (const int8_t* w = begin; w != begin + count; ++w) {
    least = std::min<int>(least, *w);
    greatest = std::max<int>(greatest, *w);
  }
  return greatest <= most && least >= -most;
}

std::shared_ptr<dnnl::memory> WeightStore::get(const std::string& name, const Tensor& weights, const Dims& dims,
                                               const dnnl::memory::desc& wanted) {
  const std::string key = layoutKey(wanted);
  Entry& entry = entries_[{name, key}];
  if (entry.memory) return entry.memory;
  const auto known = adopted_.find(weights.data<void>());
  if (known != adopted_.end() && known->second.key == key) {
    entry.memory = std::make_shared<dnnl::memory>(wanted, cpuEngine(), const_cast<void*>(weights.data<void>()));
  } else {
    entry.memory = std::make_shared<dnnl::memory>(packWeights(plain(weights), dims, wanted));
  }
  entry.source = weights.data<void>();
  bytes_ += static_cast<int64_t>(wanted.get_size());
  return entry.memory;
}

Tensor WeightStore::get(const std::string& name, const Tensor& weights, const BlockedLayout& wanted,
                        const std::string& key) {
  Entry& entry = entries_[{name, key}];
  if (!entry.tensor.empty()) return entry.tensor;
  const auto known = adopted_.find(weights.data<void>());
  if (known != adopted_.end() && known->second.key == key) {
    entry.tensor = Tensor::view(weights.dtype(), {extent(wanted)}, weights.data<void>(),
                                std::make_shared<Tensor>(known->second.tensor));
  } else {
    entry.tensor = pack(plain(weights), wanted);
  }
  entry.layout = wanted;
  entry.source = weights.data<void>();
  bytes_ += static_cast<int64_t>(entry.tensor.bytes());
  return entry.tensor;
}

Tensor WeightStore::get(const std::string& name, const Tensor& weights, const std::string& key,
                        const std::function<Tensor(const Tensor&)>& make) {
  Entry& entry = entries_[{name, key}];
  if (!entry.tensor.empty()) return entry.tensor;
  entry.tensor = make(plain(weights));
  entry.source = weights.data<void>();
  bytes_ += static_cast<int64_t>(entry.tensor.bytes());
  return entry.tensor;
}

std::optional<WeightStore::Packed> WeightStore::packed(const Tensor& tensor) const {
  std::optional<Packed> found;
  for (const auto& [name, entry] : entries_) {
    if (entry.source != tensor.data<void>()) continue;
    if (found) return std::nullopt;
    if (!entry.memory) {
      if (!entry.layout) return std::nullopt;
      found = Packed{*entry.layout, name.second, entry.tensor.data<uint8_t>(), entry.tensor.bytes()};
      continue;
    }
    const dnnl::memory::desc description = entry.memory->get_desc();
    std::optional<BlockedLayout> layout = blockedLayout(description);
    if (!layout) return std::nullopt;
    found = Packed{std::move(*layout), name.second, static_cast<const uint8_t*>(entry.memory->get_data_handle()),
                   description.get_size()};
  }
  return found;
}

}  // namespace presisi::cpu
