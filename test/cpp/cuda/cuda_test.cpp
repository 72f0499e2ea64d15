#include <doctest/doctest.h>

#include <cstring>
#include <limits>
#include <numeric>
#include <thread>
#include <vector>

#include "backend/cuda/buffer.hpp"
#include "backend/cuda/device.hpp"
#include "backend/cuda/graph.hpp"
#include "backend/cuda/stream.hpp"
#include "support/errors.hpp"

// Runs on a GPU with nothing but the CUDA runtime, and on its stand-in.

using namespace presisi;
using presisi::test::errorOf;
using presisi::test::throwsError;

namespace {

/// Copies through the device and back.
bool roundTrip(cuda::PinnedBuffer& from, cuda::DeviceBuffer& middle, cuda::PinnedBuffer& to, size_t bytes) {
  const cuda::Stream stream;
  const cuda::Event done;
  cuda::check(cudaMemcpyAsync(middle.data(), from.data(), bytes, cudaMemcpyHostToDevice, stream.get()), "copying");
  cuda::check(cudaMemcpyAsync(to.data(), middle.data(), bytes, cudaMemcpyDeviceToHost, stream.get()), "copying");
  done.record(stream);
  while (!done.reached()) std::this_thread::yield();
  return std::memcmp(from.data(), to.data(), bytes) == 0;
}

}  // namespace

TEST_CASE("the current device describes itself") {
  CHECK(cuda::deviceCount() >= 1);
  const cuda::DeviceInfo info = cuda::currentDevice();
  CHECK_FALSE(info.name.empty());
  CHECK(info.major >= 5);
  CHECK(info.sms > 0);
  CHECK(info.memoryFree <= info.memoryTotal);
  CHECK(info.memoryTotal > 0);
  CHECK(info.driver >= info.runtime / 1000 * 1000);
  CHECK(cuda::versionString(12060) == "12.6");
  CHECK(cuda::versionString(11040) == "11.4");
}

TEST_CASE("memory carries data to the device and back") {
  const auto pool = cuda::PinnedPool::create();
  cuda::PinnedBuffer from(pool), to(pool);
  constexpr size_t kBytes = 1 << 20;
  from.reserve(kBytes);
  to.reserve(kBytes);
  std::iota(static_cast<uint8_t*>(from.data()), static_cast<uint8_t*>(from.data()) + kBytes, uint8_t{0});
  std::memset(to.data(), 0, kBytes);
  cuda::DeviceBuffer middle(kBytes);
  CHECK(roundTrip(from, middle, to, kBytes));
}

TEST_CASE("buffers grow, and only when they must") {
  cuda::DeviceBuffer buffer;
  CHECK(buffer.data() == nullptr);
  buffer.reserve(0);
  CHECK(buffer.data() != nullptr);  // an empty tensor has an address too
  buffer.reserve(1000);
  void* const before = buffer.data();
  buffer.reserve(500);
  CHECK(buffer.data() == before);
  CHECK(buffer.capacity() == 1000);
  buffer.reserve(100000);
  CHECK(buffer.capacity() == 100000);
}

TEST_CASE("pinned memory goes back to its pool and is found again") {
  const auto pool = cuda::PinnedPool::create(1 << 20);
  void* first = nullptr;
  {
    cuda::PinnedBuffer buffer(pool);
    buffer.reserve(5000);
    first = buffer.data();
    CHECK(buffer.capacity() == 8192);  // whole pages
    CHECK(pool->idleBytes() == 0);
  }
  CHECK(pool->idleBytes() == 8192);
  {
    cuda::PinnedBuffer again(pool);
    again.reserve(6000);
    CHECK(again.data() == first);
    CHECK(pool->idleBytes() == 0);
  }
  cuda::PinnedBuffer large(pool);
  large.reserve(2 << 20);
  CHECK(pool->idleBytes() == 8192);
}

TEST_CASE("what is more than the pool keeps goes back to the system") {
  const auto pool = cuda::PinnedPool::create(4096);
  for (int i = 0; i < 2; ++i) {
    cuda::PinnedBuffer a(pool), b(pool);
    a.reserve(4096);
    b.reserve(4096);
  }
  CHECK(pool->idleBytes() == 4096);
}

TEST_CASE("mapped memory is one memory with two addresses") {
  if (!cuda::currentDevice().mapsHostMemory) return;
  cuda::MappedBuffer mapped;
  mapped.reserve(4096);
  std::memset(mapped.data(), 7, 4096);
  std::vector<uint8_t> seen(4096);
  cuda::check(cudaMemcpy(seen.data(), mapped.device(), 4096, cudaMemcpyDefault), "reading mapped memory");
  CHECK(seen == std::vector<uint8_t>(4096, 7));
}

TEST_CASE("too much memory is OutOfMemory, says how much, and is recovered from") {
  cuda::DeviceBuffer buffer(16);
  const auto error = errorOf([&] { buffer.reserve(std::numeric_limits<size_t>::max() / 4); });
  REQUIRE(error);
  CHECK(error->code() == ErrorCode::OutOfMemory);
  CHECK(std::string(error->what()).find("cudaErrorMemoryAllocation") != std::string::npos);
  CHECK(std::string(error->what()).find(std::to_string(std::numeric_limits<size_t>::max() / 4)) != std::string::npos);
  CHECK(buffer.capacity() == 0);
  buffer.reserve(16);
  CHECK(buffer.data() != nullptr);
  CHECK(cudaGetLastError() == cudaSuccess);  // the failure isn't left behind for the next check
}

TEST_CASE("failures carry CUDA's name and what was being done") {
  CHECK(throwsError(ErrorCode::Internal, "CUDA failed while testing: cudaErrorInvalidValue",
                    [] { cuda::check(cudaErrorInvalidValue, "testing"); }));
  CHECK(cuda::errorFor(cudaErrorMemoryAllocation, "x").code() == ErrorCode::OutOfMemory);
  CHECK(cuda::errorFor(cudaErrorNoDevice, "x").code() == ErrorCode::BackendUnavailable);
  CHECK_FALSE(cuda::errorFor(cudaErrorNoDevice, "x").hint().empty());
}

TEST_CASE("events measure what lies between them") {
  const cuda::Stream stream;
  const cuda::Event begin, end;
  const auto pool = cuda::PinnedPool::create();
  cuda::PinnedBuffer host(pool);
  host.reserve(4 << 20);
  cuda::DeviceBuffer device(4 << 20);
  begin.record(stream);
  cuda::check(cudaMemcpyAsync(device.data(), host.data(), 4 << 20, cudaMemcpyHostToDevice, stream.get()), "copying");
  end.record(stream);
  stream.synchronize();
  CHECK(end.reached());
  CHECK(cuda::secondsBetween(begin, end) > 0);
  CHECK(cuda::secondsBetween(begin, end) < 10);
}

TEST_CASE("a captured graph does nothing until it is launched, and then the same each time") {
  const cuda::Stream stream;
  const auto pool = cuda::PinnedPool::create();
  cuda::PinnedBuffer from(pool), to(pool);
  from.reserve(64);
  to.reserve(64);
  cuda::DeviceBuffer middle(64);
  std::memset(from.data(), 1, 64);
  std::memset(to.data(), 0, 64);
  std::string why;
  const cuda::Graph graph = cuda::Graph::capture(
      stream,
      [&] {
        return cudaMemcpyAsync(middle.data(), from.data(), 64, cudaMemcpyHostToDevice, stream.get()) == cudaSuccess &&
               cudaMemcpyAsync(to.data(), middle.data(), 64, cudaMemcpyDeviceToHost, stream.get()) == cudaSuccess;
      },
      why);
  REQUIRE(graph);
  stream.synchronize();
  CHECK(static_cast<uint8_t*>(to.data())[0] == 0);
  for (const uint8_t value : {uint8_t{1}, uint8_t{9}}) {
    std::memset(from.data(), value, 64);
    graph.launch(stream);
    stream.synchronize();
    CHECK(static_cast<uint8_t*>(to.data())[63] == value);
  }
}

TEST_CASE("work that can't be captured gives no graph and leaves the stream usable") {
  const cuda::Stream stream;
  std::string why;
  CHECK_FALSE(cuda::Graph::capture(
      stream, [] { return false; }, why));
  CHECK_FALSE(why.empty());
  why.clear();
  // Waiting for a stream that is being captured is forbidden, and breaks the capture.
  CHECK_FALSE(cuda::Graph::capture(
      stream, [&] { return cudaStreamSynchronize(stream.get()) != cudaErrorUnknown; }, why));
  CHECK_FALSE(why.empty());
  CHECK_THROWS_AS(cuda::Graph::capture(
                      stream, []() -> bool { throw std::runtime_error("no"); }, why),
                  std::runtime_error);
  stream.synchronize();
  CHECK(cudaGetLastError() == cudaSuccess);
}
