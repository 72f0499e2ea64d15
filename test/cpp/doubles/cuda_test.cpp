#ifdef PRESISI_DOUBLE_TENSORRT  // built against the stand-ins

#include <doctest/doctest.h>

#include <chrono>
#include <cstring>
#include <future>
#include <numeric>
#include <thread>
#include <vector>

#include "hooks.h"

namespace {

struct Fixture {
  Fixture() { doubleCudaReset(); }
  ~Fixture() { doubleCudaReset(); }
};

void pause(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

}  // namespace

TEST_SUITE("doubles/cuda") {
  TEST_CASE_FIXTURE(Fixture, "device memory goes there and back, and is not the host's to touch") {
    std::vector<int> in(1000), out(1000);
    std::iota(in.begin(), in.end(), 7);
    void* memory = nullptr;
    REQUIRE(cudaMalloc(&memory, 4000) == cudaSuccess);
    cudaPointerAttributes attributes;
    REQUIRE(cudaPointerGetAttributes(&attributes, memory) == cudaSuccess);
    CHECK(attributes.type == cudaMemoryTypeDevice);
    CHECK(attributes.hostPointer == nullptr);
    CHECK(cudaMemcpy(memory, in.data(), 4000, cudaMemcpyHostToDevice) == cudaSuccess);
    CHECK(cudaMemcpy(out.data(), memory, 4000, cudaMemcpyDeviceToHost) == cudaSuccess);
    CHECK(in == out);
    CHECK(cudaMemcpy(memory, in.data(), 4001, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
    CHECK(cudaMemcpy(out.data(), memory, 4000, cudaMemcpyHostToHost) == cudaErrorInvalidValue);
    CHECK(doubleCudaState().deviceBytes == 4000);
    CHECK(cudaFree(memory) == cudaSuccess);
    CHECK(doubleCudaState().deviceAllocations == 0);
    CHECK(cudaFree(memory) == cudaErrorInvalidValue);
    CHECK(cudaMemcpy(memory, in.data(), 4, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
    CHECK(doubleCudaState().invalidAccesses == 3);
    CHECK(cudaGetLastError() == cudaErrorInvalidValue);
    CHECK(cudaGetLastError() == cudaSuccess);
  }

  TEST_CASE_FIXTURE(Fixture, "a stream works in order and by itself; events mark how far it is") {
    cudaStream_t stream;
    cudaEvent_t before, after;
    REQUIRE(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
    REQUIRE(cudaEventCreate(&before) == cudaSuccess);
    REQUIRE(cudaEventCreate(&after) == cudaSuccess);
    std::vector<int> order;
    std::promise<void> go;
    auto gone = go.get_future().share();
    cudaEventRecord(before, stream);
    doubleCudaLaunch(stream, [&, gone] {
      gone.wait();
      pause(20);
      order.push_back(1);
    });
    doubleCudaLaunch(stream, [&] { order.push_back(2); });
    cudaEventRecord(after, stream);
    CHECK(cudaEventQuery(after) == cudaErrorNotReady);
    CHECK(cudaStreamQuery(stream) == cudaErrorNotReady);
    float ms = 0;
    CHECK(cudaEventElapsedTime(&ms, before, after) == cudaErrorNotReady);
    go.set_value();
    CHECK(cudaEventSynchronize(after) == cudaSuccess);
    CHECK(order == std::vector<int>{1, 2});
    CHECK(cudaEventElapsedTime(&ms, before, after) == cudaSuccess);
    CHECK(ms >= 20);
    CHECK(cudaStreamSynchronize(stream) == cudaSuccess);  // the event is there before its task is put away
    CHECK(cudaStreamQuery(stream) == cudaSuccess);
    cudaEventDestroy(before);
    cudaEventDestroy(after);
    cudaStreamDestroy(stream);
    CHECK(doubleCudaState().streams == 0);
    CHECK(doubleCudaState().events == 0);
  }

  TEST_CASE_FIXTURE(Fixture, "another stream waits for an event; the legacy stream waits for blocking streams") {
    cudaStream_t first, second;
    cudaEvent_t event;
    cudaStreamCreate(&first);
    cudaStreamCreate(&second);
    cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    std::vector<int> order;
    doubleCudaLaunch(first, [&] {
      pause(20);
      order.push_back(1);
    });
    cudaEventRecord(event, first);
    cudaStreamWaitEvent(second, event);
    doubleCudaLaunch(second, [&] { order.push_back(2); });
    doubleCudaLaunch(nullptr, [&] { order.push_back(3); });
    CHECK(order == std::vector<int>{1, 2, 3});
    cudaEventDestroy(event);
    cudaStreamDestroy(first);
    cudaStreamDestroy(second);
  }

  TEST_CASE_FIXTURE(Fixture, "a graph records instead of running, and replays") {
    cudaStream_t stream;
    cudaStreamCreate(&stream);
    int runs = 0;
    cudaGraph_t graph;
    cudaGraphExec_t executable;
    REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
    CHECK(doubleCudaLaunch(stream, [&] { ++runs; }) == cudaSuccess);
    CHECK(doubleCudaLaunch(stream, [&] { runs *= 10; }) == cudaSuccess);
    REQUIRE(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
    CHECK(runs == 0);
    size_t nodes = 0;
    CHECK(cudaGraphGetNodes(graph, nullptr, &nodes) == cudaSuccess);
    CHECK(nodes == 2);
    REQUIRE(cudaGraphInstantiateWithFlags(&executable, graph, 0) == cudaSuccess);
    cudaGraphDestroy(graph);
    for (int i = 0; i < 2; ++i) CHECK(cudaGraphLaunch(executable, stream) == cudaSuccess);
    CHECK(cudaStreamSynchronize(stream) == cudaSuccess);
    CHECK(runs == 110);
    cudaGraphExecDestroy(executable);
    CHECK(doubleCudaState().graphs == 0);

    REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal) == cudaSuccess);
    void* memory;
    CHECK(cudaMalloc(&memory, 16) == cudaErrorStreamCaptureUnsupported);
    CHECK(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureInvalidated);
    CHECK(graph == nullptr);
    REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed) == cudaSuccess);
    CHECK(cudaStreamSynchronize(stream) == cudaErrorStreamCaptureUnsupported);
    CHECK(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureInvalidated);
    cudaStreamDestroy(stream);
  }

  TEST_CASE_FIXTURE(Fixture, "a fork that isn't joined breaks the capture, a joined one doesn't") {
    cudaStream_t main, side;
    cudaEvent_t fork, join;
    cudaStreamCreate(&main);
    cudaStreamCreate(&side);
    cudaEventCreate(&fork);
    cudaEventCreate(&join);
    for (const bool joined : {false, true}) {
      CAPTURE(joined);
      cudaGraph_t graph = nullptr;
      REQUIRE(cudaStreamBeginCapture(main, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
      cudaEventRecord(fork, main);
      CHECK(cudaStreamWaitEvent(side, fork) == cudaSuccess);
      CHECK(doubleCudaLaunch(side, [] {}) == cudaSuccess);
      if (joined) {
        cudaEventRecord(join, side);
        CHECK(cudaStreamWaitEvent(main, join) == cudaSuccess);
      }
      CHECK(cudaStreamEndCapture(main, &graph) == (joined ? cudaSuccess : cudaErrorStreamCaptureUnjoined));
      if (graph) cudaGraphDestroy(graph);
    }
    cudaEventDestroy(fork);
    cudaEventDestroy(join);
    cudaStreamDestroy(main);
    cudaStreamDestroy(side);
  }

  TEST_CASE_FIXTURE(Fixture, "faults are sticky, and waiting ends all the same") {
    cudaStream_t stream;
    cudaEvent_t event;
    cudaStreamCreate(&stream);
    cudaEventCreate(&event);
    doubleCudaFailLaunch(1);
    doubleCudaLaunch(stream, [] {});
    cudaEventRecord(event, stream);
    CHECK(cudaStreamSynchronize(stream) == cudaErrorLaunchFailure);
    CHECK(cudaEventSynchronize(event) == cudaErrorLaunchFailure);
    void* memory = nullptr;
    CHECK(cudaMalloc(&memory, 16) == cudaErrorLaunchFailure);
    CHECK(cudaGetLastError() == cudaErrorLaunchFailure);
    CHECK(cudaGetLastError() == cudaErrorLaunchFailure);
    cudaEventDestroy(event);
    cudaStreamDestroy(stream);
    doubleCudaReset();
    CHECK(cudaMalloc(&memory, 16) == cudaSuccess);
    CHECK(cudaFree(memory) == cudaSuccess);
  }

  TEST_CASE_FIXTURE(Fixture, "hooks: another GPU, none, no memory") {
    cudaDeviceProp properties;
    REQUIRE(doubleCudaPretend("NVIDIA A10;8.6;discrete;24576;72"));
    REQUIRE(cudaGetDeviceProperties(&properties, 0) == cudaSuccess);
    CHECK(std::strcmp(properties.name, "NVIDIA A10") == 0);
    CHECK(properties.major * 10 + properties.minor == 86);
    CHECK(properties.integrated == 0);
    CHECK(properties.totalGlobalMem == size_t{24576} << 20);
    CHECK_FALSE(doubleCudaPretend("x;8.6;neither"));
    REQUIRE(doubleCudaPretend("none"));
    int count = 5;
    CHECK(cudaGetDeviceCount(&count) == cudaErrorNoDevice);
    CHECK(count == 0);
    doubleCudaReset();
    doubleCudaFailAllocation(2);
    void *first = nullptr, *second = nullptr;
    CHECK(cudaMalloc(&first, 16) == cudaSuccess);
    CHECK(cudaHostAlloc(&second, 16, cudaHostAllocMapped) == cudaErrorMemoryAllocation);
    CHECK(second == nullptr);
    CHECK(cudaHostAlloc(&second, 16, cudaHostAllocMapped) == cudaSuccess);
    cudaFree(first);
    cudaFreeHost(second);
    CHECK(doubleCudaState().pinnedAllocations == 0);
  }
}

#endif
