#include "config.hpp"

namespace presisi::doubles::tensorrt {

namespace {

constexpr char kTimingMagic[5] = "dtim";

std::string deviceKey() {
  const Gpu gpu = currentGpu();
  return gpu.name + ";" + gpu.compute();
}

}  // namespace

#if NV_TENSORRT_MAJOR >= 10
bool Profile::setDimensions(char const* input, nvinfer1::OptProfileSelector select,
                            nvinfer1::Dims const& dims) noexcept {
#else
bool Profile::setDimensions(char const* input, nvinfer1::OptProfileSelector select, nvinfer1::Dims dims) noexcept {
#endif
  if (!input || dims.nbDims < 0 || dims.nbDims > nvinfer1::Dims::MAX_DIMS) return false;
  const Dims wanted = toDims(dims);
  for (int64_t dim : wanted) {
    if (dim < 0) return false;
  }
  Extent& extent = extents_[input];
  const auto index = static_cast<size_t>(select);
  for (size_t other = 0; other < 3; ++other) {
    if (!extent.set[other] || other == index) continue;
    if (extent.dims[other].size() != wanted.size()) return false;
    for (size_t i = 0; i < wanted.size(); ++i) {
      const bool ordered = other < index ? extent.dims[other][i] <= wanted[i] : extent.dims[other][i] >= wanted[i];
      if (!ordered) return false;
    }
  }
  extent.dims[index] = wanted;
  extent.set[index] = true;
  return true;
}

nvinfer1::Dims Profile::getDimensions(char const* input, nvinfer1::OptProfileSelector select) const noexcept {
  const auto it = extents_.find(input ? input : "");
  const auto index = static_cast<size_t>(select);
  return it == extents_.end() || !it->second.set[index] ? noDims() : fromDims(it->second.dims[index]);
}

bool Profile::isValid() const noexcept {
  for (const auto& [name, extent] : extents_) {
    if (!extent.set[0] || !extent.set[1] || !extent.set[2]) return false;
  }
  return !extents_.empty();
}

nvinfer1::IHostMemory* TimingCache::serialize() const noexcept {
  const Json head{{"version", libraryVersion()}, {"device", device_}, {"entries", entries}};
  return std::make_unique<HostMemory>(pack(kTimingMagic, head, {})).release();
}

bool TimingCache::combine(nvinfer1::ITimingCache const& other, bool ignoreMismatch) noexcept {
  const auto& added = static_cast<const TimingCache&>(other);
  if (added.device_ != device_ && !ignoreMismatch) return false;
  entries.insert(added.entries.begin(), added.entries.end());
  return true;
}

bool TimingCache::reset() noexcept {
  entries.clear();
  return true;
}

void Config::reset() noexcept {
  state_ = State{};
  state_.flags = bit(nvinfer1::BuilderFlag::kTF32);
}

#if NV_TENSORRT_MAJOR <= 10
bool Config::setCalibrationProfile(nvinfer1::IOptimizationProfile const* profile) noexcept {
  if (!profile || !profile->isValid()) return false;
  state_.calibration = profile;
  return true;
}
#endif

void Config::setDeviceType(nvinfer1::ILayer const* layer, nvinfer1::DeviceType type) noexcept {
  state_.devices[layer] = type;
}

nvinfer1::DeviceType Config::getDeviceType(nvinfer1::ILayer const* layer) const noexcept {
  const auto it = state_.devices.find(layer);
  return it == state_.devices.end() ? state_.device : it->second;
}

bool Config::isDeviceTypeSet(nvinfer1::ILayer const* layer) const noexcept { return state_.devices.count(layer) > 0; }

bool Config::canRunOnDLA(nvinfer1::ILayer const* layer) const noexcept {
  using nvinfer1::LayerType;
  static const std::set<LayerType> able{LayerType::kCONVOLUTION,  LayerType::kDECONVOLUTION, LayerType::kACTIVATION,
                                        LayerType::kPOOLING,      LayerType::kELEMENTWISE,   LayerType::kSCALE,
                                        LayerType::kCONCATENATION};
  return layer && able.count(layer->getType()) > 0;
}

int32_t Config::addOptimizationProfile(nvinfer1::IOptimizationProfile const* profile) noexcept {
  if (!profile || !profile->isValid()) {
    say(logger_, Severity::kERROR, "addOptimizationProfile: the profile is not valid");
    return -1;
  }
  state_.profiles.push_back(static_cast<const Profile*>(profile));
  return getNbOptimizationProfiles() - 1;
}

bool Config::setTacticSources(nvinfer1::TacticSources sources) noexcept {
  state_.tactics = sources;
  return true;
}

nvinfer1::ITimingCache* Config::createTimingCache(void const* blob, std::size_t size) const noexcept {
  std::unique_ptr<TimingCache> cache;
  guarded(logger_, "createTimingCache", [&] {
    if (size == 0) {
      cache = std::make_unique<TimingCache>(deviceKey());
      return true;
    }
    Json head;
    std::string body;
    if (!unpack(kTimingMagic, blob, size, head, body)) {
      say(logger_, Severity::kERROR, "createTimingCache: the timing cache is damaged");
      return false;
    }
    if (head.value("version", "") != libraryVersion()) {
      say(logger_, Severity::kERROR,
          "createTimingCache: the timing cache was made by TensorRT " + head.value("version", std::string()) +
              ", this is " + libraryVersion());
      return false;
    }
    cache = std::make_unique<TimingCache>(head.value("device", ""));
    cache->entries = head.value("entries", std::set<std::string>());
    return true;
  });
  return cache.release();
}

bool Config::setTimingCache(nvinfer1::ITimingCache const& cache, bool ignoreMismatch) noexcept {
  // TensorRT writes new timings into the cache it is given, although it takes it as const.
  auto& given = const_cast<TimingCache&>(static_cast<const TimingCache&>(cache));
  return guarded(logger_, "setTimingCache", [&] {
    if (given.device() != deviceKey()) {
      say(logger_, ignoreMismatch ? Severity::kWARNING : Severity::kERROR,
          "the timing cache was made on another device: " + given.device());
      if (!ignoreMismatch) return false;
    }
    state_.cache = &given;
    return true;
  });
}

void Config::setMemoryPoolLimit(nvinfer1::MemoryPoolType pool, std::size_t size) noexcept { state_.pools[pool] = size; }

std::size_t Config::getMemoryPoolLimit(nvinfer1::MemoryPoolType pool) const noexcept {
  const auto it = state_.pools.find(pool);
  if (it != state_.pools.end()) return it->second;
  size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  return pool == nvinfer1::MemoryPoolType::kWORKSPACE ? total : 0;
}

#if PRESISI_DOUBLE_SINCE_8_6
void Config::setBuilderOptimizationLevel(int32_t level) noexcept {
  if (level < 0 || level > 5) {
    say(logger_, Severity::kERROR, "the builder optimization level must be between 0 and 5");
    return;
  }
  state_.level = level;
}
#endif

}  // namespace presisi::doubles::tensorrt
