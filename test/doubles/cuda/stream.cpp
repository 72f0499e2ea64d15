#include "stream.hpp"

#include <algorithm>

namespace presisi::doubles::cuda {

Streams& streams() {
  static Streams* state = std::make_unique<Streams>().release();
  return *state;
}

bool isAlive(cudaStream_t stream) {
  std::lock_guard lock(streams().mutex);
  return isLegacy(stream) || streams().alive.count(stream) > 0;
}

void execute(const Task& task) {
  Device& state = device();
  try {
    task();
  } catch (const DeviceFault& fault) {
    state.sticky = fault.error;
  } catch (...) {
    state.sticky = cudaErrorLaunchFailure;
  }
}

namespace {

std::vector<cudaStream_t> blockingStreams() {
  std::lock_guard lock(streams().mutex);
  std::vector<cudaStream_t> found;
  for (cudaStream_t stream : streams().alive) {
    if (!(stream->flags & cudaStreamNonBlocking)) found.push_back(stream);
  }
  return found;
}

}  // namespace

void drainAll() {
  std::vector<cudaStream_t> all;
  {
    std::lock_guard lock(streams().mutex);
    all.assign(streams().alive.begin(), streams().alive.end());
  }
  for (cudaStream_t stream : all) stream->drain();
}

bool forbiddenByCapture() {
  std::lock_guard lock(streams().mutex);
  bool forbidden = false;
  for (cudaStream_t stream : streams().alive) {
    if (!stream->capture || stream->capture->mode == cudaStreamCaptureModeRelaxed) continue;
    const bool here = stream->capture->thread == std::this_thread::get_id();
    if (stream->capture->mode == cudaStreamCaptureModeThreadLocal && !here) continue;
    stream->capture->invalid = true;
    forbidden = true;
  }
  return forbidden;
}

void countStreams(DoubleCudaState& state) {
  std::lock_guard lock(streams().mutex);
  state.streams = streams().alive.size();
}

bool isCapturing(cudaStream_t stream) {
  std::lock_guard lock(streams().mutex);
  return !isLegacy(stream) && isAlive(stream) && stream->capture != nullptr;
}

cudaError_t enqueue(cudaStream_t stream, Task task) {
  if (const cudaError_t error = usable()) return error;
  if (!isAlive(stream)) return cudaErrorInvalidResourceHandle;
  if (isLegacy(stream)) {
    {
      std::lock_guard lock(streams().mutex);
      for (cudaStream_t other : blockingStreams()) {
        if (!other->capture) continue;
        other->capture->invalid = true;
        return cudaErrorStreamCaptureImplicit;
      }
    }
    for (cudaStream_t other : blockingStreams()) other->drain();
    execute(task);
    return cudaSuccess;
  }
  std::lock_guard lock(streams().mutex);
  if (stream->capture) {
    if (stream->capture->invalid) return cudaErrorStreamCaptureInvalidated;
    stream->capture->tasks.push_back(std::move(task));
    if (stream != stream->capture->origin) stream->capture->unjoined.insert(stream);
    return cudaSuccess;
  }
  stream->push(std::move(task));
  return cudaSuccess;
}

}  // namespace presisi::doubles::cuda

using namespace presisi::doubles::cuda;

CUstream_st::CUstream_st(unsigned flags) : flags(flags), thread_([this] { work(); }) {}

CUstream_st::~CUstream_st() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  arrived_.notify_all();
  thread_.join();
}

void CUstream_st::push(Task task) {
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(task));
  }
  arrived_.notify_one();
}

void CUstream_st::drain() {
  std::unique_lock lock(mutex_);
  drained_.wait(lock, [&] { return queue_.empty() && !busy_; });
}

bool CUstream_st::idle() {
  std::lock_guard lock(mutex_);
  return queue_.empty() && !busy_;
}

void CUstream_st::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    arrived_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;  // stopping, and everything is done
    Task task = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    execute(task);
    task = nullptr;
    lock.lock();
    busy_ = false;
    if (queue_.empty()) drained_.notify_all();
  }
}

cudaError_t doubleCudaLaunch(cudaStream_t stream, std::function<void()> kernel) {
  Device& state = device();
  ++state.launches;
  return fail(enqueue(stream, [kernel = std::move(kernel)] {
    if (faulted()) return;
    std::atomic<int>& nth = device().failLaunch;
    if (nth > 0 && --nth == 0) throw DeviceFault{cudaErrorLaunchFailure};
    kernel();
  }));
}

extern "C" {

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  if (const cudaError_t error = usable()) return fail(error);
  if (!stream || (flags & ~unsigned{cudaStreamNonBlocking})) return fail(cudaErrorInvalidValue);
  auto created = std::make_unique<CUstream_st>(flags);
  std::lock_guard lock(streams().mutex);
  *stream = created.release();
  streams().alive.insert(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return cudaStreamCreateWithPriority(stream, flags, 0);
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithPriority(stream, cudaStreamDefault, 0);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  {
    std::lock_guard lock(streams().mutex);
    if (isLegacy(stream) || streams().alive.erase(stream) == 0) return fail(cudaErrorInvalidResourceHandle);
    if (stream->capture) stream->capture->invalid = true;
  }
  // Work that is under way is finished, and only then is the stream gone.
  std::unique_ptr<CUstream_st> owner(stream);
  return fail(device().sticky);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (const cudaError_t error = usable()) return fail(error);
  if (!isAlive(stream)) return fail(cudaErrorInvalidResourceHandle);
  if (isLegacy(stream)) {
    for (cudaStream_t other : blockingStreams()) other->drain();
    return fail(device().sticky);
  }
  {
    std::lock_guard lock(streams().mutex);
    if (stream->capture) {
      stream->capture->invalid = true;
      return fail(cudaErrorStreamCaptureUnsupported);
    }
  }
  stream->drain();
  return fail(device().sticky);
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  if (const cudaError_t error = usable()) return fail(error);
  if (!isAlive(stream)) return fail(cudaErrorInvalidResourceHandle);
  if (isLegacy(stream)) {
    const auto others = blockingStreams();
    const bool idle = std::all_of(others.begin(), others.end(), [](cudaStream_t other) { return other->idle(); });
    return idle ? fail(device().sticky) : cudaErrorNotReady;
  }
  std::lock_guard lock(streams().mutex);
  if (stream->capture) {
    stream->capture->invalid = true;
    return fail(cudaErrorStreamCaptureUnsupported);
  }
  return stream->idle() ? fail(device().sticky) : cudaErrorNotReady;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* argument) {
  if (!function) return fail(cudaErrorInvalidValue);
  return fail(enqueue(stream, [function, argument] {
    if (!faulted()) function(argument);
  }));
}

}  // extern "C"
