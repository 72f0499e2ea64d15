#include "stream.hpp"

namespace presisi::doubles::cuda {

void Recording::finish() {
  std::lock_guard lock(mutex);
  at = std::chrono::steady_clock::now();
  done = true;
  changed.notify_all();
}

void Recording::wait() {
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return done; });
}

bool Recording::isDone() {
  std::lock_guard lock(mutex);
  return done;
}

namespace {

/// A wait inside a capture, or one that makes a stream part of it. Streams::mutex is held.
cudaError_t waitCaptured(cudaStream_t stream, cudaEvent_t event) {
  const std::shared_ptr<Capture>& capture = event->capture;
  if (isLegacy(stream)) {
    capture->invalid = true;
    return cudaErrorStreamCaptureImplicit;
  }
  if (!stream->capture) {
    stream->capture = capture;
    capture->members.insert(stream);
    if (stream != capture->origin) capture->unjoined.insert(stream);
    return cudaSuccess;
  }
  if (stream->capture != capture) {
    stream->capture->invalid = capture->invalid = true;
    return cudaErrorStreamCaptureMerge;
  }
  if (stream != event->capturedIn) capture->unjoined.erase(event->capturedIn);
  return cudaSuccess;
}

}  // namespace

}  // namespace presisi::doubles::cuda

using namespace presisi::doubles::cuda;

extern "C" {

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  if (const cudaError_t error = usable()) return fail(error);
  if (!event || (flags & ~0x7u)) return fail(cudaErrorInvalidValue);
  auto created = std::make_unique<CUevent_st>();
  created->flags = flags;
  *event = created.release();
  ++device().events;
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (!event) return fail(cudaErrorInvalidResourceHandle);
  std::unique_ptr<CUevent_st> owner(event);
  --device().events;
  return fail(device().sticky);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (const cudaError_t error = usable()) return fail(error);
  if (!event || !isAlive(stream)) return fail(cudaErrorInvalidResourceHandle);
  std::lock_guard lock(streams().mutex);
  if (isCapturing(stream)) {
    if (stream->capture->invalid) return fail(cudaErrorStreamCaptureInvalidated);
    event->capture = stream->capture;
    event->capturedIn = stream;
    return cudaSuccess;
  }
  event->capture = nullptr;
  event->recording = std::make_shared<Recording>();
  return fail(enqueue(stream, [recording = event->recording] { recording->finish(); }));
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (const cudaError_t error = usable()) return fail(error);
  if (!event) return fail(cudaErrorInvalidResourceHandle);
  if (event->capture) {
    event->capture->invalid = true;
    return fail(cudaErrorCapturedEvent);
  }
  return !event->recording || event->recording->isDone() ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (const cudaError_t error = usable()) return fail(error);
  if (!event) return fail(cudaErrorInvalidResourceHandle);
  if (event->capture) {
    event->capture->invalid = true;
    return fail(cudaErrorCapturedEvent);
  }
  if (event->recording) event->recording->wait();
  return fail(device().sticky);
}

cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t start, cudaEvent_t end) {
  if (const cudaError_t error = usable()) return fail(error);
  if (!ms) return fail(cudaErrorInvalidValue);
  if (!start || !end || !start->recording || !end->recording || start->capture || end->capture) {
    return fail(cudaErrorInvalidResourceHandle);
  }
  if ((start->flags | end->flags) & cudaEventDisableTiming) return fail(cudaErrorInvalidResourceHandle);
  if (!start->recording->isDone() || !end->recording->isDone()) return fail(cudaErrorNotReady);
  *ms = std::chrono::duration<float, std::milli>(end->recording->at - start->recording->at).count();
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
  if (const cudaError_t error = usable()) return fail(error);
  if (!event || !isAlive(stream)) return fail(cudaErrorInvalidResourceHandle);
  if (flags != 0) return fail(cudaErrorInvalidValue);
  std::lock_guard lock(streams().mutex);
  if (event->capture) return fail(waitCaptured(stream, event));
  if (isCapturing(stream)) {
    stream->capture->invalid = true;
    return fail(cudaErrorStreamCaptureIsolation);
  }
  if (!event->recording) return cudaSuccess;
  return fail(enqueue(stream, [recording = event->recording] { recording->wait(); }));
}

}  // extern "C"
