#include "stream.hpp"

struct CUgraph_st {
  std::vector<presisi::doubles::cuda::Task> tasks;
};

struct CUgraphExec_st {
  std::shared_ptr<const std::vector<presisi::doubles::cuda::Task>> tasks;
};

using namespace presisi::doubles::cuda;

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  if (const cudaError_t error = usable()) return fail(error);
  if (isLegacy(stream)) return fail(cudaErrorStreamCaptureUnsupported);
  std::lock_guard lock(streams().mutex);
  if (!isAlive(stream)) return fail(cudaErrorInvalidResourceHandle);
  if (stream->capture) return fail(cudaErrorIllegalState);
  stream->capture = std::make_shared<Capture>();
  stream->capture->origin = stream;
  stream->capture->mode = mode;
  stream->capture->thread = std::this_thread::get_id();
  stream->capture->members.insert(stream);
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (const cudaError_t error = usable()) return fail(error);
  if (!graph) return fail(cudaErrorInvalidValue);
  *graph = nullptr;
  std::lock_guard lock(streams().mutex);
  if (isLegacy(stream) || !isAlive(stream) || !stream->capture) return fail(cudaErrorIllegalState);
  const std::shared_ptr<Capture> capture = stream->capture;
  if (capture->origin != stream) {
    capture->invalid = true;
    return fail(cudaErrorStreamCaptureUnmatched);
  }
  if (capture->mode != cudaStreamCaptureModeRelaxed && capture->thread != std::this_thread::get_id()) {
    return fail(cudaErrorStreamCaptureWrongThread);
  }
  for (cudaStream_t member : capture->members) {
    if (isAlive(member)) member->capture = nullptr;
  }
  if (capture->invalid) return fail(cudaErrorStreamCaptureInvalidated);
  if (!capture->unjoined.empty()) return fail(cudaErrorStreamCaptureUnjoined);
  auto created = std::make_unique<CUgraph_st>();
  created->tasks = std::move(capture->tasks);
  *graph = created.release();
  ++device().graphs;
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  if (const cudaError_t error = usable()) return fail(error);
  if (!status) return fail(cudaErrorInvalidValue);
  std::lock_guard lock(streams().mutex);
  if (!isAlive(stream)) return fail(cudaErrorInvalidResourceHandle);
  *status = !isCapturing(stream)       ? cudaStreamCaptureStatusNone
            : stream->capture->invalid ? cudaStreamCaptureStatusInvalidated
                                       : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  if (!graph || !count) return fail(cudaErrorInvalidValue);
  if (nodes) {
    // Handles that tell nodes apart and can't be followed.
    for (size_t i = 0; i < *count; ++i) {
      nodes[i] = i < graph->tasks.size() ? reinterpret_cast<cudaGraphNode_t>(i + 1) : nullptr;
    }
  }
  *count = graph->tasks.size();
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  if (const cudaError_t error = usable()) return fail(error);
  if (!executable || !graph) return fail(cudaErrorInvalidValue);
  auto created = std::make_unique<CUgraphExec_st>();
  created->tasks = std::make_shared<const std::vector<Task>>(graph->tasks);
  *executable = created.release();
  ++device().graphs;
  return cudaSuccess;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t stream) {
  if (!executable || !isAlive(stream)) return fail(cudaErrorInvalidValue);
  return fail(usable());
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  if (!executable) return fail(cudaErrorInvalidValue);
  return fail(enqueue(stream, [tasks = executable->tasks] {
    for (const Task& task : *tasks) task();
  }));
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  if (!graph) return fail(cudaErrorInvalidValue);
  std::unique_ptr<CUgraph_st> owner(graph);
  --device().graphs;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  if (!executable) return fail(cudaErrorInvalidValue);
  std::unique_ptr<CUgraphExec_st> owner(executable);
  --device().graphs;
  return cudaSuccess;
}

}  // extern "C"
