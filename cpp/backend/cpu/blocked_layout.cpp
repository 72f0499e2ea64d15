#include "backend/cpu/blocked_layout.hpp"

namespace presisi::cpu {

namespace {

/// Where elements lie is a sum over the axes: for each of them, what a position along it adds.
std::vector<Dims> offsetsOf(const BlockedLayout& layout) {
  std::vector<Dims> offsets;
  for (size_t axis = 0; axis < layout.dims.size(); ++axis) {
    Dims along(static_cast<size_t>(layout.dims[axis]));
    for (size_t i = 0; i < along.size(); ++i) {
      auto rest = static_cast<int64_t>(i);
      int64_t step = 1;
      for (auto block = layout.blocks.rbegin(); block != layout.blocks.rend(); ++block) {
        if (static_cast<size_t>(block->first) == axis) {
          along[i] += rest % block->second * step;
          rest /= block->second;
        }
        step *= block->second;
      }
      along[i] += rest * layout.strides[axis];
    }
    offsets.push_back(std::move(along));
  }
  return offsets;
}

/// Calls `f` with the offset of each element in the layout, in row-major order.
template <typename F>
void forEachOffset(const BlockedLayout& layout, F&& f) {
  const std::vector<Dims> offsets = offsetsOf(layout);
  if (elementCount(layout.dims) == 0) return;
  // The innermost loop is over the last axis that has a length: weights of 1x1 convolutions end in two that have none.
  size_t rank = layout.dims.size();
  while (rank > 1 && layout.dims[rank - 1] == 1) --rank;
  const Dims& inner = offsets[rank - 1];
  Dims position(rank, 0);
  for (;;) {
    int64_t base = 0;
    for (size_t axis = 0; axis + 1 < rank; ++axis) base += offsets[axis][static_cast<size_t>(position[axis])];
    for (const int64_t offset : inner) f(base + offset);
    bool more = false;
    for (size_t axis = rank - 1; !more && axis-- > 0;) {
      more = ++position[axis] < layout.dims[axis];
      if (!more) position[axis] = 0;
    }
    if (!more) return;
  }
}

/// Calls `f` with a number as wide as the elements of this type.
template <typename F>
void withWidth(DType dtype, F&& f) {
  switch (byteSize(dtype)) {
    case 1: return f(uint8_t());
    case 2: return f(uint16_t());
    case 4: return f(uint32_t());
    default: return f(uint64_t());
  }
}

}  // namespace

int64_t extent(const BlockedLayout& layout) {
  int64_t count = 1;
  for (const auto& [axis, length] : layout.blocks) count *= length;
  int64_t reach = count - 1;
  Dims last = layout.padded;
  for (int64_t& l : last) l -= 1;
  for (const auto& [axis, length] : layout.blocks) last[static_cast<size_t>(axis)] /= length;
  for (size_t axis = 0; axis < last.size(); ++axis) reach += last[axis] * layout.strides[axis];
  return reach + 1;
}

Tensor unpack(const Tensor& packed, const BlockedLayout& layout) {
  Tensor plain(packed.dtype(), packed.dims());
  withWidth(packed.dtype(), [&](auto element) {
    using Element = decltype(element);
    const auto* from = static_cast<const Element*>(packed.data<void>());
    auto* to = static_cast<Element*>(plain.data<void>());
    forEachOffset(layout, [&](int64_t offset) { *to++ = from[offset]; });
  });
  return plain;
}

Tensor pack(const Tensor& plain, const BlockedLayout& layout) {
  Tensor packed(plain.dtype(), {extent(layout)});
  withWidth(plain.dtype(), [&](auto element) {
    using Element = decltype(element);
    const auto* from = static_cast<const Element*>(plain.data<void>());
    auto* to = static_cast<Element*>(packed.data<void>());
    forEachOffset(layout, [&](int64_t offset) { to[offset] = *from++; });
  });
  return packed;
}

}  // namespace presisi::cpu
