#include <utility>

#include "conversions.hpp"
#include "exports.hpp"
#include "handles.hpp"

namespace presisi::binding {

/// `createSamples()`: a handle for pictures that a backend will calibrate with.
Napi::Value createSamples(const Napi::CallbackInfo& info) {
  return wrap(info.Env(), std::make_shared<LoadedSamples>(), 0);
}

/// `addSamples(samples, images) -> batches held`: copies one batch; all have the shape of the first.
Napi::Value addSamples(const Napi::CallbackInfo& info) {
  const std::shared_ptr<LoadedSamples> samples = unwrap<LoadedSamples>(info[0]);
  ImagesFromJs images = toImages(info[1]);
  const engine::ImageBatch& shape = samples->shape;
  if (samples->batches.empty()) {
    samples->input = images.input;
    samples->shape = images.shape;
    samples->normalization = images.normalization;
  } else if (shape.count != images.shape.count || shape.height != images.shape.height ||
             shape.width != images.shape.width) {
    throw Error(ErrorCode::InvalidArgument, "expected batches of one shape");
  }
  samples->batches.emplace_back(images.pixels, images.pixels + images.bytes);
  return Napi::Number::New(info.Env(), static_cast<double>(samples->batches.size()));
}

}  // namespace presisi::binding
