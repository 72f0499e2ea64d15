#pragma once

#include <functional>
#include <memory>
#include <string>
#include <type_traits>

#include "backend/cuda/stream.hpp"

namespace presisi::cuda {

/// Work recorded from a stream once and launched as a whole: one call instead of one per kernel.
class Graph {
 public:
  /// Records what `work` enqueues on the stream; nothing of it runs. Empty when that can't be: `work` said no, or it
  /// did something that a capture forbids (`why` says what). The stream is as before in any case, also when `work`
  /// throws, and then the exception passes.
  static Graph capture(const Stream& stream, const std::function<bool()>& work, std::string& why);

  explicit operator bool() const { return executable_ != nullptr; }
  void launch(const Stream& stream) const {
    check(cudaGraphLaunch(executable_.get(), stream.get()), "launching a CUDA graph");
  }
  void reset() { executable_.reset(); }

 private:
  struct Destroy {
    void operator()(cudaGraphExec_t graph) const { static_cast<void>(cudaGraphExecDestroy(graph)); }
  };
  std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, Destroy> executable_;
};

}  // namespace presisi::cuda
