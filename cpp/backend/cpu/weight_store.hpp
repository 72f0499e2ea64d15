#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "backend/cpu/onednn.hpp"
#include "core/tensor.hpp"

namespace presisi::cpu {

/// Weights in the layouts that primitives want, kept once for all programs of an engine. Those of a plan come packed:
/// they are used where they lie, as long as the layout is the one that is wanted, and unpacked where it isn't, on
/// another CPU for instance.
class WeightStore {
 public:
  /// Tells that the numbers of this tensor lie in that layout, whatever its dimensions say. `key` is the layout's.
  void adopt(const Tensor& tensor, BlockedLayout layout, std::string key);

  /// The weights in the layout `wanted`; `dims` are what oneDNN sees them as, of the same elements in the same order.
  /// `name` tells apart what is in the store.
  std::shared_ptr<dnnl::memory> get(const std::string& name, const Tensor& weights, const Dims& dims,
                                    const dnnl::memory::desc& wanted);

  /// The weights in a layout of our own, which `key` names, as one row.
  Tensor get(const std::string& name, const Tensor& weights, const BlockedLayout& wanted, const std::string& key);

  /// What `make` makes of the weights in row-major order, which `key` names. It is not for a plan to keep.
  Tensor get(const std::string& name, const Tensor& weights, const std::string& key,
             const std::function<Tensor(const Tensor&)>& make);

  /// Whether all of these weights of int8 lie in [-most, most].
  bool within(const Tensor& weights, int most) const;

  /// The same numbers in row-major order.
  Tensor plain(const Tensor& weights) const;

  struct Packed {
    BlockedLayout layout;
    std::string key;
    const uint8_t* data = nullptr;
    size_t bytes = 0;
  };
  /// How the weights in this tensor, which must have lived since they were packed, lie in the store; empty where they
  /// aren't there, are there in more than one way, or can't be read out of their layout.
  std::optional<Packed> packed(const Tensor& tensor) const;

  int64_t bytes() const { return bytes_; }

 private:
  struct Adopted {
    Tensor tensor;
    BlockedLayout layout;
    std::string key;
  };
  struct Entry {
    std::shared_ptr<dnnl::memory> memory;  ///< one of oneDNN's layouts,
    Tensor tensor;                         ///< or one of our own
    std::optional<BlockedLayout> layout;   ///< empty: other numbers than these
    const void* source = nullptr;          ///< what was packed, for comparison only
  };
  std::map<const void*, Adopted> adopted_;
  std::map<std::pair<std::string, std::string>, Entry> entries_;  ///< by name and layout
  int64_t bytes_ = 0;
};

}  // namespace presisi::cpu
