#include "backend/cuda/graph.hpp"

#include <utility>

namespace presisi::cuda {

namespace {

struct DestroyGraph {
  void operator()(cudaGraph_t graph) const { static_cast<void>(cudaGraphDestroy(graph)); }
};
using Recording = std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, DestroyGraph>;

/// A stream that is being captured is of no other use: it must be ended on every path.
Recording end(const Stream& stream, cudaError_t& status) {
  cudaGraph_t graph = nullptr;
  status = cudaStreamEndCapture(stream.get(), &graph);
  if (status != cudaSuccess) static_cast<void>(cudaGetLastError());
  return Recording(graph);
}

}  // namespace

Graph Graph::capture(const Stream& stream, const std::function<bool()>& work, std::string& why) {
  Graph result;
  // Thread-local: what other threads do meanwhile doesn't break the capture.
  cudaError_t status = cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal);
  if (status != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    why = std::string("capturing could not begin: ") + cudaGetErrorName(status);
    return result;
  }
  bool recorded = false;
  try {
    recorded = work();
  } catch (...) {
    end(stream, status);
    throw;
  }
  const Recording recording = end(stream, status);
  if (!recorded || status != cudaSuccess || recording == nullptr) {
    why = status != cudaSuccess ? std::string("what ran can't be captured: ") + cudaGetErrorName(status)
                                : "the work could not be enqueued while capturing";
    return result;
  }
  cudaGraphExec_t executable = nullptr;
  status = cudaGraphInstantiateWithFlags(&executable, recording.get(), 0);
  if (status != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    why = std::string("the graph could not be instantiated: ") + cudaGetErrorName(status);
    return result;
  }
  result.executable_.reset(executable);
  return result;
}

}  // namespace presisi::cuda
