#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "backend/tensorrt/api.hpp"
#include "core/tensor.hpp"

namespace presisi::tensorrt {

/// Shapes that an engine is built for, of one input.
struct Profile {
  Dims min;  ///< smallest
  Dims opt;  ///< what the engine is tuned for
  Dims max;  ///< largest; memory is planned for it
};

/// BuildOptions::settings. Each member is a key of that name.
struct BuildSettings {
  /// FP32 matrix products and convolutions may round their inputs to TF32's 10 bits of mantissa (Ampere and later).
  bool tf32 = true;
  /// Where layers without scales may run in an int8 build: `fp16` or `fp32`. Not for strongly typed networks, whose
  /// graph says so itself.
  bool halfFallback = true;
  std::optional<size_t> workspaceBytes;  ///< scratch memory a layer may use; absent: TensorRT's default, all there is
  std::optional<int> optimizationLevel;  ///< 0 (fast to build) to 5 (tries most); TensorRT's default is 3. 8.6 on
  std::string timingCache;               ///< path of a file that keeps measured times from build to build
  std::optional<int> dlaCore;            ///< runs on this deep-learning accelerator what it can
  bool gpuFallback = true;               ///< what the DLA can't run may run on the GPU; else the build fails
  api::HardwareCompatibility hardwareCompatibility = api::HardwareCompatibility::None;  ///< 8.6 on
  bool versionCompatible = false;  ///< runs on later TensorRTs of the major version; larger, slower. 8.6 on
  bool stronglyTyped =
      api::isStronglyTypedOnly;             ///< types are the graph's, TensorRT chooses none. 9 on, always from 11
  bool sparsity = false;                    ///< may use 2:4 structured sparsity of the weights (Ampere and later)
  bool refit = false;                       ///< weights can be exchanged later, at some cost in speed
  std::map<std::string, Profile> profiles;  ///< by input; see chooseProfiles() for those without
  std::map<std::string, nvinfer1::DataType> layerPrecisions;  ///< by node name; to 10
  /// Builds of one model on one device choose the same kernels, as far as TensorRT lets them. Choices follow measured
  /// times, which vary: what makes them repeat is a timing cache, so this requires `timingCache`, averages over more
  /// runs, and from 10.8 on makes the cache editable, which TensorRT documents as following it strictly. The first
  /// build, which fills the cache, is as random as any; nothing here makes the arithmetic of a given engine differ.
  bool deterministic = false;
  std::optional<int> avgTimingIterations;  ///< runs averaged when a kernel is timed; TensorRT's default is 1
};

/// SessionOptions::settings.
struct SessionSettings {
  enum class ZeroCopy { Auto, On, Off };
  bool cudaGraph = false;              ///< record the kernels once per shape and launch them as one
  ZeroCopy zeroCopy = ZeroCopy::Auto;  ///< work on host memory in place; auto: where GPU and CPU share memory
  bool spinWait = false;               ///< wait at full speed instead of sleeping: lower latency, one core busy
  /// Off, to time the computation alone: feeds are uploaded only when their shape changes, outputs never fetched, and
  /// the sink receives nothing.
  bool transfers = true;
};

/// An empty text means the defaults. Throws InvalidArgument for what isn't JSON, unknown keys, wrong types or values,
/// and for what this TensorRT lacks, saying which version has it.
BuildSettings parseBuildSettings(const std::string& json);
SessionSettings parseSessionSettings(const std::string& json);

}  // namespace presisi::tensorrt
