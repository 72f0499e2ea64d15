#include "backend/tensorrt/slot.hpp"

#include "backend/tensorrt/profile.hpp"
#include "support.hpp"

using namespace presisi;
using namespace presisi::test;
using tensorrt::LateOutput;

TEST_CASE("a late output gets memory that grows, and learns its shape") {
  Device device;
  LateOutput late;
  void* const first = late.reallocateOutput("y", nullptr, 100, 256);
  REQUIRE(first != nullptr);
  CHECK(late.reallocateOutput("y", first, 50, 256) == first);
  CHECK(late.reallocateOutput("y", first, 5000, 256) != nullptr);
  CHECK(late.capacity() == 5000);
  late.notifyShape("y", tensorrt::toTensorRt({3, 4}));
  CHECK(late.dims() == Dims{3, 4});
  CHECK_NOTHROW(late.rethrow());
}

TEST_CASE("a late output without memory answers null, keeps why, and recovers") {
  Device device;
  LateOutput late;
  doubleCudaFailAllocation(1);
  CHECK(late.reallocateOutput("y", nullptr, 100, 256) == nullptr);
  CHECK(throwsError(ErrorCode::OutOfMemory, "100 bytes", [&] { late.rethrow(); }));
  late.start();
  CHECK_NOTHROW(late.rethrow());
  CHECK(late.reallocateOutput("y", nullptr, 100, 256) != nullptr);
}

TEST_CASE("shapes go to TensorRT and back, up to eight dimensions") {
  CHECK(tensorrt::fromTensorRt(tensorrt::toTensorRt({1, -1, 3})) == Dims{1, -1, 3});
  CHECK(tensorrt::fromTensorRt(tensorrt::toTensorRt({})).empty());
  CHECK(throwsError(ErrorCode::UnsupportedModel, "8 dimensions", [] { tensorrt::toTensorRt(Dims(9, 1)); }));
}
