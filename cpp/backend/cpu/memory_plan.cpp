#include <algorithm>
#include <limits>
#include <numeric>

#include "backend/cpu/program.hpp"

namespace presisi::cpu {

namespace {

struct Block {
  int root = 0;
  int64_t bytes = 0;
  int first = std::numeric_limits<int>::max();
  int last = -1;
  int64_t offset = -1;
};

int64_t aligned(int64_t bytes) {
  constexpr int64_t a = static_cast<int64_t>(Tensor::kAlignment);
  return (bytes + a - 1) / a * a;
}

}  // namespace

void planMemory(Program& program) {
  const auto root = [&](int value) {
    while (program.values[value].alias >= 0) value = program.values[value].alias;
    return value;
  };
  std::vector<Block> blocks(program.values.size());
  for (size_t v = 0; v < blocks.size(); ++v) {
    blocks[v].root = static_cast<int>(v);
    blocks[v].bytes = aligned(std::max<int64_t>(program.values[v].bytes(), 1));
  }
  for (size_t s = 0; s < program.steps.size(); ++s) {
    const int step = static_cast<int>(s);
    const auto touch = [&](int value) {
      Block& block = blocks[root(value)];
      block.first = std::min(block.first, step);
      block.last = std::max(block.last, step);
    };
    for (const int v : program.steps[s].reads) touch(v);
    for (const int v : program.steps[s].writes) touch(v);
    program.scratchBytes = std::max(program.scratchBytes, aligned(program.steps[s].scratchBytes));
  }
  std::vector<Block*> order;
  for (Block& block : blocks) {
    const Value& value = program.values[block.root];
    if (block.last >= 0 && value.alias < 0 && value.constant.empty() && value.feed < 0) order.push_back(&block);
  }
  std::stable_sort(order.begin(), order.end(), [](const Block* a, const Block* b) { return a->bytes > b->bytes; });

  std::vector<const Block*> placed;  // sorted by offset
  for (Block* block : order) {
    int64_t best = -1;
    int64_t bestGap = std::numeric_limits<int64_t>::max();
    int64_t cursor = 0;
    for (const Block* other : placed) {
      if (other->last < block->first || other->first > block->last) continue;
      const int64_t gap = other->offset - cursor;
      if (gap >= block->bytes && gap < bestGap) {
        best = cursor;
        bestGap = gap;
      }
      cursor = std::max(cursor, other->offset + other->bytes);
    }
    block->offset = best >= 0 ? best : cursor;
    program.arenaBytes = std::max(program.arenaBytes, block->offset + block->bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), block,
                                   [](const Block* a, const Block* b) { return a->offset < b->offset; }),
                  block);
  }
  program.offsets.assign(program.values.size(), -1);
  for (size_t v = 0; v < program.values.size(); ++v) {
    int64_t offset = 0;
    int value = static_cast<int>(v);
    for (; program.values[value].alias >= 0; value = program.values[value].alias)
      offset += program.values[value].aliasOffset;
    if (blocks[value].offset >= 0) program.offsets[v] = blocks[value].offset + offset;
  }
}

}  // namespace presisi::cpu
