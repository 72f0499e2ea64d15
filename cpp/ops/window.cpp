#include "ops/window.hpp"

namespace presisi::ops {

Dims spatialAttribute(const onnx::Node& node, const char* attribute, size_t count, int64_t otherwise, int64_t least) {
  const Dims values = node.getInts(attribute, Dims(count, otherwise));
  if (values.size() != count) {
    failModel(node, std::string(attribute) + " should have " + std::to_string(count) +
                        " values, one for each (end of each) spatial axis, but has " + std::to_string(values.size()));
  }
  for (const int64_t value : values) {
    if (value < least) {
      failModel(node, std::string(attribute) + " should be at least " + std::to_string(least) + " but is " +
                          toString(values));
    }
  }
  return values;
}

void readPads(const onnx::Node& node, size_t rank, Dims& begin, Dims& end) {
  const Dims pads = spatialAttribute(node, "pads", 2 * rank, 0, 0);
  const auto half = pads.begin() + static_cast<std::ptrdiff_t>(rank);
  begin.assign(pads.begin(), half);
  end.assign(half, pads.end());
}

int64_t extent(const onnx::Node& node, int64_t kernel, int64_t dilation) {
  return add(node, multiply(node, kernel - 1, dilation), 1);
}

Window readWindow(const onnx::Node& node, const Dims& spatial, const Dims& kernel, bool ceilMode) {
  const size_t rank = spatial.size();
  Window window;
  window.kernel = kernel;
  window.strides = spatialAttribute(node, "strides", rank, 1, 1);
  window.dilations = spatialAttribute(node, "dilations", rank, 1, 1);
  readPads(node, rank, window.padsBegin, window.padsEnd);
  window.output.resize(rank);
  const std::string autoPad = node.getString("auto_pad", "NOTSET");
  const bool same = autoPad == "SAME_UPPER" || autoPad == "SAME_LOWER";
  if (!same && autoPad != "NOTSET" && autoPad != "VALID" && !autoPad.empty()) {
    failModel(node, "auto_pad should be NOTSET, SAME_UPPER, SAME_LOWER or VALID but is \"" + autoPad + "\"");
  }
  if (autoPad == "VALID") {
    window.padsBegin.assign(rank, 0);
    window.padsEnd.assign(rank, 0);
  }
  for (size_t i = 0; i < rank; ++i) {
    const int64_t size = spatial[i];
    const int64_t stride = window.strides[i];
    const int64_t reach = extent(node, kernel[i], window.dilations[i]);
    if (same) {
      if (size < 1)
        failShape(node, "auto_pad " + autoPad + " needs an input that is not empty, found " + toString(spatial));
      window.output[i] = (size - 1) / stride + 1;
      const int64_t covered = add(node, (window.output[i] - 1) * stride, reach);
      const int64_t total = std::max<int64_t>(covered - size, 0);
      window.padsBegin[i] = autoPad == "SAME_LOWER" ? total - total / 2 : total / 2;
      window.padsEnd[i] = total - window.padsBegin[i];
      continue;
    }
    const int64_t padded = add(node, add(node, size, window.padsBegin[i]), window.padsEnd[i]);
    const int64_t room = padded - reach;
    // Rounding up admits one more window, which reaches past the padding: even the first one.
    int64_t count = room >= 0 ? room / stride + 1 : 0;
    const bool partial = room >= 0 ? room % stride != 0 : -room < stride;
    if (ceilMode && partial && multiply(node, count, stride) < size + window.padsBegin[i]) ++count;
    if (count == 0) {
      failShape(node, "a window of " + std::to_string(reach) + " does not fit the padded input of " +
                          std::to_string(padded) + " along spatial axis " + std::to_string(i));
    }
    window.output[i] = count;
  }
  return window;
}

}  // namespace presisi::ops
