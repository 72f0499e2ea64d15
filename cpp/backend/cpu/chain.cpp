#include "backend/cpu/chain.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "backend/cpu/share.hpp"

namespace presisi::cpu {

namespace {

// Floats worked on at once: input and operand blocks stay in the first-level cache.
constexpr int64_t kBlock = 2048;
// Below this many elements, waking the team costs more than it saves.
constexpr int64_t kWorthThreads = 16384;

const uint8_t* at(const void* base, DType dtype, int64_t elements) {
  return static_cast<const uint8_t*>(base) + elements * static_cast<int64_t>(byteSize(dtype));
}

/// The part of a tensor that starts at `row` of `sample`, loaded as dense floats.
void load(const ChainTensor& t, const void* base, const Chain& chain, int64_t sample, int64_t row, int64_t rows,
          float* out) {
  const Kernels& k = kernels();
  if (t.order == ChainTensor::Order::Planes) {
    const auto* in = static_cast<const float*>(base) + sample * chain.rows * chain.columns + row;
    k.interleave(in, chain.rows, chain.columns, rows, out);
    return;
  }
  const uint8_t* in = at(base, t.dtype, (sample * chain.rows + row) * t.stride);
  switch (t.dtype) {
    case DType::Uint8: k.loadUint8(in, t.stride, t.scale, rows, chain.columns, out); break;
    case DType::Int8:
      k.loadInt8(reinterpret_cast<const int8_t*>(in), t.stride, t.scale, rows, chain.columns, out);
      break;
    default: k.loadFloat(reinterpret_cast<const float*>(in), t.stride, rows, chain.columns, out); break;
  }
}

void store(const ChainTensor& t, const float* in, const Chain& chain, int64_t sample, int64_t row, int64_t rows,
           void* base) {
  const Kernels& k = kernels();
  if (t.order == ChainTensor::Order::Planes) {
    auto* out = static_cast<float*>(base) + sample * chain.rows * chain.columns + row;
    k.deinterleave(in, chain.columns, chain.columns, rows, out, chain.rows);
    return;
  }
  auto* out = const_cast<uint8_t*>(at(base, t.dtype, (sample * chain.rows + row) * t.stride));
  switch (t.dtype) {
    case DType::Uint8: k.storeUint8(in, t.scale, t.low, t.high, rows, chain.columns, out, t.stride); break;
    case DType::Int8:
      k.storeInt8(in, t.scale, t.low, t.high, rows, chain.columns, reinterpret_cast<int8_t*>(out), t.stride);
      break;
    default: k.storeFloat(in, rows, chain.columns, reinterpret_cast<float*>(out), t.stride); break;
  }
}

struct Buffers {
  std::vector<float> main, operand;
  int64_t sample = -1;  ///< whose gates are in `operand`
};

void scaleBlock(const Chain& chain, const void* input, const std::vector<const void*>& operands, void* output,
                int64_t sample, int64_t row, int64_t rows, Buffers& buffers) {
  const Kernels& k = kernels();
  const Scaling& scaling = *chain.scaling;
  const ChainTensor& in = chain.input;
  const ChainTensor& out = chain.output;
  int64_t columns = chain.columns, inStride = in.stride;
  const int64_t outStride = out.stride;
  const void* from = at(input, in.dtype, (sample * chain.rows + row) * inStride);
  const float* scale = scaling.scale.data();
  if (scaling.gates >= 0) {
    scale = buffers.operand.data();
    if (buffers.sample != sample) {
      const auto index = static_cast<size_t>(scaling.gates);
      Chain one;
      one.samples = chain.samples;
      one.columns = columns;
      load(chain.operands[index], operands[index], one, sample, 0, 1, buffers.operand.data());
      k.binaryRow(Binary::Mul, scaling.scale.data(), buffers.operand.data(), 1, columns);
      buffers.sample = sample;
    }
  }
  if (in.order == ChainTensor::Order::Planes) {
    load(in, input, chain, sample, row, rows, buffers.main.data());
    from = buffers.main.data();
    inStride = columns;
  }
  void* to = const_cast<uint8_t*>(at(output, out.dtype, (sample * chain.rows + row) * outStride));
  if (scaling.uniform && inStride == columns && outStride == columns) {
    columns *= rows;
    rows = 1;
  }
  const auto run = [&](auto* kernel, auto* typedFrom, auto* typedTo) {
    kernel(typedFrom, inStride, scale, scaling.shift.data(), scaling.low, scaling.high, rows, columns, typedTo,
           outStride);
  };
  if (out.dtype == DType::Float32) {
    return run(k.scaleFloat, static_cast<const float*>(from), static_cast<float*>(to));
  }
  auto* bytes = static_cast<uint8_t*>(to);
  switch (in.dtype) {
    case DType::Uint8: return run(k.quantizeUint8, static_cast<const uint8_t*>(from), bytes);
    case DType::Int8: return run(k.quantizeInt8, static_cast<const int8_t*>(from), bytes);
    default: return run(k.quantizeFloat, static_cast<const float*>(from), bytes);
  }
}

void runBlock(const Chain& chain, const void* input, const std::vector<const void*>& operands, void* output,
              int64_t sample, int64_t row, int64_t rows, Buffers& buffers) {
  const Kernels& k = kernels();
  const int64_t count = rows * chain.columns;
  const ChainTensor& to = chain.output;
  if (chain.stages.empty() && to.dtype == DType::Float32 && to.order == ChainTensor::Order::Pixels &&
      to.stride == chain.columns) {
    load(chain.input, input, chain, sample, row, rows,
         static_cast<float*>(output) + (sample * chain.rows + row) * to.stride);
    return;
  }
  float* x = buffers.main.data();
  load(chain.input, input, chain, sample, row, rows, x);
  for (const ChainStage& stage : chain.stages) {
    switch (stage.kind) {
      case ChainStage::Kind::Unary: k.unary(stage.unary, stage.alpha, stage.beta, x, count); break;
      case ChainStage::Kind::Affine: k.affine(stage.rowA.data(), stage.rowB.data(), x, rows, chain.columns); break;
      case ChainStage::Kind::Row: k.binaryRow(stage.binary, stage.rowA.data(), x, rows, chain.columns); break;
      case ChainStage::Kind::Scalar: k.binaryScalar(stage.binary, stage.alpha, x, count); break;
      case ChainStage::Kind::Tensor: {
        const auto index = static_cast<size_t>(stage.operand);
        load(chain.operands[index], operands[index], chain, sample, row, rows, buffers.operand.data());
        k.binary(stage.binary, buffers.operand.data(), x, count);
        break;
      }
      case ChainStage::Kind::PerSample: {
        const auto index = static_cast<size_t>(stage.operand);
        Chain one = Chain{};
        one.samples = chain.samples;
        one.columns = chain.columns;
        load(chain.operands[index], operands[index], one, sample, 0, 1, buffers.operand.data());
        k.binaryRow(stage.binary, buffers.operand.data(), x, rows, chain.columns);
        break;
      }
    }
  }
  store(chain.output, x, chain, sample, row, rows, output);
}

/// Rows that are worked on at once.
int64_t blockRowsOf(const Chain& chain) {
  int64_t rows = std::max<int64_t>(1, kBlock / std::max<int64_t>(chain.columns, 1));
  // Planes are written a whole cache line at a time.
  if (chain.output.order == ChainTensor::Order::Planes) rows = std::max<int64_t>(rows, 16);
  return std::min(rows, chain.rows);
}

}  // namespace

bool ChainStage::nonNegative() const {
  if (kind != Kind::Unary) return false;
  switch (unary) {
    case Unary::Relu:
    case Unary::Sigmoid:
    case Unary::HardSigmoid:
    case Unary::Exp:
    case Unary::Sqrt:
    case Unary::Abs: return true;
    case Unary::Clip: return alpha >= 0;
    default: return false;
  }
}

Bounds Bounds::ofIntegers(float scale, float low, float high) { return {true, 1.0f / scale, low, high}; }

Bounds Bounds::ofFloats() {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  return {false, 1.0f, -kInfinity, kInfinity};
}

void Bounds::clip(float bottom, float top) {
  low = std::max(low, integer ? std::nearbyint(bottom * unit) : bottom);
  high = std::min(high, integer ? std::nearbyint(top * unit) : top);
}

void Bounds::relu() { low = std::max(low, 0.0f); }

void recogniseScaling(Chain& chain) {
  const DType to = chain.output.dtype;
  const bool integer = to == DType::Uint8 || to == DType::Int8;
  if (!integer && (to != DType::Float32 || chain.input.dtype != DType::Float32)) return;
  if (chain.output.order != ChainTensor::Order::Pixels) return;
  // A copy, or another order, is none of this.
  if (!integer && chain.stages.empty()) return;
  Scaling scaling;
  const ChainTensor& out = chain.output;
  Bounds bounds = integer ? Bounds::ofIntegers(out.scale, out.low, out.high) : Bounds::ofFloats();
  const float unit = bounds.unit;
  const auto channels = static_cast<size_t>(chain.columns);
  scaling.scale.assign(channels, chain.input.scale * unit);
  scaling.shift.assign(channels, 0.0f);
  for (size_t i = 0; i < chain.stages.size(); ++i) {
    const ChainStage& stage = chain.stages[i];
    if (i == 0 && stage.kind == ChainStage::Kind::Affine) {
      scaling.uniform = false;
      for (size_t c = 0; c < channels; ++c) {
        scaling.scale[c] *= stage.rowA[c];
        scaling.shift[c] = stage.rowB[c] * unit;
      }
    } else if (i == 0 && stage.kind == ChainStage::Kind::PerSample && stage.binary == Binary::Mul) {
      scaling.uniform = false;
      scaling.gates = stage.operand;
    } else if (stage.kind == ChainStage::Kind::Unary && stage.unary == Unary::Relu) {
      bounds.relu();
    } else if (stage.kind == ChainStage::Kind::Unary && stage.unary == Unary::Clip) {
      bounds.clip(stage.alpha, stage.beta);
    } else {
      return;
    }
  }
  if (scaling.uniform) {
    const size_t together = std::max(channels, static_cast<size_t>(blockRowsOf(chain)) * channels);
    scaling.scale.assign(together, chain.input.scale * unit);
    scaling.shift.assign(together, 0.0f);
  }
  scaling.low = bounds.low;
  scaling.high = bounds.high;
  chain.scaling = std::move(scaling);
}

namespace {

/// Rows [begin, end) of all; `output` is where the very first would be.
void runRows(const Chain& chain, const void* input, const std::vector<const void*>& operands, void* output,
             int64_t begin, int64_t end) {
  thread_local Buffers buffers;
  const int64_t blockRows = blockRowsOf(chain);
  const auto needed = static_cast<size_t>(blockRows * chain.columns);
  if (buffers.main.size() < needed) {
    buffers.main.resize(needed);
    buffers.operand.resize(needed);
  }
  buffers.sample = -1;
  for (int64_t at = begin; at < end;) {
    const int64_t sample = at / chain.rows;
    const int64_t row = at % chain.rows;
    const int64_t rows = std::min({blockRows, chain.rows - row, end - at});
    (chain.scaling ? scaleBlock : runBlock)(chain, input, operands, output, sample, row, rows, buffers);
    at += rows;
  }
}

}  // namespace

void runChain(const Team& team, const Chain& chain, const void* input, const std::vector<const void*>& operands,
              void* output) {
  const int64_t total = chain.samples * chain.rows;
  if (total == 0 || chain.columns == 0) return;
  const int threads = total * chain.columns < kWorthThreads ? 1 : team.size;
  if (team.index >= threads) return;
  const auto [begin, end] = shareOf(total, threads, team.index);
  runRows(chain, input, operands, output, begin, end);
}

void runChainRows(const Chain& chain, const void* input, const std::vector<const void*>& operands, void* output,
                  int64_t first, int64_t last) {
  const int64_t skipped = first * chain.columns * static_cast<int64_t>(byteSize(chain.output.dtype));
  runRows(chain, input, operands, static_cast<uint8_t*>(output) - skipped, first, last);
}

void runGlobalAverage(const Team& team, const Chain& shape, int64_t count, const void* input, float* output) {
  const Kernels& k = kernels();
  const ChainTensor& t = shape.input;
  const int threads = shape.samples * shape.rows * shape.columns < kWorthThreads ? 1 : team.size;
  if (team.index >= threads) return;
  // Channels are shared out in groups of 64: whole cache lines of 8-bit data, so no thread writes into another's line.
  constexpr int64_t kGroup = 64;
  const int64_t groups = (shape.columns + kGroup - 1) / kGroup;
  const int64_t total = shape.samples * groups;
  const float factor = (t.dtype == DType::Float32 ? 1.0f : t.scale) / static_cast<float>(count);
  const auto [begin, end] = shareOf(total, threads, team.index);
  for (int64_t job = begin; job < end; ++job) {
    const int64_t sample = job / groups;
    const int64_t first = job % groups * kGroup;
    const int64_t columns = std::min(kGroup, shape.columns - first);
    const uint8_t* in = at(input, t.dtype, sample * shape.rows * t.stride + first);
    float* out = output + sample * shape.columns + first;
    if (t.dtype == DType::Float32) {
      float sums[kGroup] = {};
      k.sumRowsFloat(reinterpret_cast<const float*>(in), t.stride, shape.rows, columns, sums);
      for (int64_t c = 0; c < columns; ++c) out[c] = sums[c] * factor;
    } else {
      int32_t sums[kGroup] = {};
      if (t.dtype == DType::Uint8) {
        k.sumRowsUint8(in, t.stride, shape.rows, columns, sums);
      } else {
        k.sumRowsInt8(reinterpret_cast<const int8_t*>(in), t.stride, shape.rows, columns, sums);
      }
      for (int64_t c = 0; c < columns; ++c) out[c] = static_cast<float>(sums[c]) * factor;
    }
  }
}

}  // namespace presisi::cpu
