#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "backend/backend.hpp"
#include "backend/cpu/onednn.hpp"
#include "backend/cpu/team.hpp"
#include "backend/cpu/weight_store.hpp"
#include "core/tensor.hpp"

namespace presisi::cpu {

/// Rank-4 activations lie as NHWC from layer to layer; everything else, and what plain operators need, is row-major.
enum class Layout { RowMajor, Nhwc };

/// A tensor of the program. Quantized ones (int8, uint8 with a scale) stand for the real tensor integer * scale.
struct Value {
  std::string name;
  DType dtype = DType::Float32;
  Dims dims;  ///< as in ONNX (NCHW), whatever the layout
  Layout layout = Layout::RowMajor;
  float scale = 0;            ///< > 0: quantized
  float low = 0, high = 0;    ///< quantized: the range the graph clamps to (an int8 tensor may live as uint8 in 0..127)
  int64_t channelStride = 0;  ///< NHWC: elements from pixel to pixel; the channels unless a slice of a wider tensor
  int alias = -1;             ///< shares the memory of this value,
  int64_t aliasOffset = 0;    ///< this many bytes in
  Tensor constant;            ///< not empty: known at build
  int feed = -1;              ///< >= 0: index of the graph input whose tensor it is

  bool quantized() const { return scale > 0; }
  bool dense() const { return layout == Layout::RowMajor || channelStride == dims[1]; }
  int64_t bytes() const { return elementCount(dims) * static_cast<int64_t>(byteSize(dtype)); }
};

/// Where a run's tensors are. A session makes one per program.
class Binding {
 public:
  virtual ~Binding() = default;
  virtual void* pointer(int value) const = 0;
  virtual void* scratch() const = 0;
};

/// What a step does in a run; built once per session from the binding's addresses.
using Alone = std::function<void()>;                ///< on the calling thread, whose OpenMP team may help
using Together = std::function<void(const Team&)>;  ///< on all threads of a team, each of which calls it
using Runner = std::variant<Alone, Together>;

struct Step {
  backend::LayerInfo info;
  std::vector<int> reads;
  std::vector<int> writes;
  int64_t scratchBytes = 0;
  std::function<Runner(const Binding&)> bind;
  /// Feeds change address from run to run: steps that read one are bound again each time.
  bool readsFeed = false;
  int output = -1;  ///< >= 0: writes[0] is this graph output, handed over after the step
};

/// A network lowered for one set of input shapes and one number of threads.
struct Program {
  std::vector<Value> values;
  std::vector<Step> steps;
  std::vector<std::string> feeds;  ///< names of the inputs, in the order of Value::feed
  std::vector<int64_t> offsets;    ///< of each value in the arena; -1 for constants and feeds
  int64_t arenaBytes = 0;
  int64_t scratchBytes = 0;
};

/// What a program was lowered for.
struct ProgramKey {
  std::vector<Dims> shapes;  ///< of the engine's inputs, in order
  std::string values;        ///< of the inputs that shapes depend on, back to back; mostly none
  int threads = 1;
  bool operator<(const ProgramKey& other) const {
    return std::tie(shapes, values, threads) < std::tie(other.shapes, other.values, other.threads);
  }
  bool operator==(const ProgramKey& other) const { return !(*this < other) && !(other < *this); }
};

/// Gives every value of the arena an offset so that no two that live at once overlap (largest first, best fit).
void planMemory(Program& program);

}  // namespace presisi::cpu
