#pragma once

#include <array>
#include <map>
#include <set>

#include "support.hpp"

namespace presisi::doubles::tensorrt {

struct Extent {
  std::array<Dims, 3> dims;  ///< kMIN, kOPT, kMAX
  std::array<bool, 3> set{};
};

class Profile : public nvinfer1::IOptimizationProfile {
 public:
  ~Profile() override = default;
#if NV_TENSORRT_MAJOR >= 10
  bool setDimensions(char const* input, nvinfer1::OptProfileSelector select, nvinfer1::Dims const& dims) noexcept
#else
  bool setDimensions(char const* input, nvinfer1::OptProfileSelector select, nvinfer1::Dims dims) noexcept
#endif
      override;
  nvinfer1::Dims getDimensions(char const* input, nvinfer1::OptProfileSelector select) const noexcept override;
  bool isValid() const noexcept override;
  const std::map<std::string, Extent>& extents() const { return extents_; }

 private:
  std::map<std::string, Extent> extents_;
};

class TimingCache : public nvinfer1::ITimingCache {
 public:
  explicit TimingCache(std::string device) : device_(std::move(device)) {}
  nvinfer1::IHostMemory* serialize() const noexcept override;
  bool combine(nvinfer1::ITimingCache const& other, bool ignoreMismatch) noexcept override;
  bool reset() noexcept override;

  const std::string& device() const { return device_; }
  std::set<std::string> entries;  ///< layers that were timed

 private:
  std::string device_;
};

class Config : public nvinfer1::IBuilderConfig {
 public:
  explicit Config(nvinfer1::ILogger& logger) : logger_(logger) { reset(); }

  void setAvgTimingIterations(int32_t count) noexcept override { state_.iterations = count; }
  int32_t getAvgTimingIterations() const noexcept override { return state_.iterations; }
  void setEngineCapability(nvinfer1::EngineCapability value) noexcept override { state_.capability = value; }
  nvinfer1::EngineCapability getEngineCapability() const noexcept override { return state_.capability; }
#if NV_TENSORRT_MAJOR <= 10
  void setInt8Calibrator(nvinfer1::IInt8Calibrator* calibrator) noexcept override { state_.calibrator = calibrator; }
  nvinfer1::IInt8Calibrator* getInt8Calibrator() const noexcept override { return state_.calibrator; }
  bool setCalibrationProfile(nvinfer1::IOptimizationProfile const* profile) noexcept override;
  nvinfer1::IOptimizationProfile const* getCalibrationProfile() noexcept override { return state_.calibration; }
  void setQuantizationFlag(nvinfer1::QuantizationFlag) noexcept override { state_.beforeFusion = true; }
  void clearQuantizationFlag(nvinfer1::QuantizationFlag) noexcept override { state_.beforeFusion = false; }
  bool getQuantizationFlag(nvinfer1::QuantizationFlag) const noexcept override { return state_.beforeFusion; }
#endif
  void setFlags(nvinfer1::BuilderFlags flags) noexcept override { state_.flags = flags; }
  nvinfer1::BuilderFlags getFlags() const noexcept override { return state_.flags; }
  void clearFlag(nvinfer1::BuilderFlag flag) noexcept override { state_.flags &= ~bit(flag); }
  void setFlag(nvinfer1::BuilderFlag flag) noexcept override { state_.flags |= bit(flag); }
  bool getFlag(nvinfer1::BuilderFlag flag) const noexcept override { return (state_.flags & bit(flag)) != 0; }
  void setDeviceType(nvinfer1::ILayer const* layer, nvinfer1::DeviceType type) noexcept override;
  nvinfer1::DeviceType getDeviceType(nvinfer1::ILayer const* layer) const noexcept override;
  bool isDeviceTypeSet(nvinfer1::ILayer const* layer) const noexcept override;
  void resetDeviceType(nvinfer1::ILayer const* layer) noexcept override { state_.devices.erase(layer); }
  bool canRunOnDLA(nvinfer1::ILayer const* layer) const noexcept override;
  void setDLACore(int32_t core) noexcept override { state_.dlaCore = core; }
  int32_t getDLACore() const noexcept override { return state_.dlaCore; }
  void setDefaultDeviceType(nvinfer1::DeviceType type) noexcept override { state_.device = type; }
  nvinfer1::DeviceType getDefaultDeviceType() const noexcept override { return state_.device; }
  void reset() noexcept override;
  void setProfileStream(const cudaStream_t stream) noexcept override { state_.stream = stream; }
  cudaStream_t getProfileStream() const noexcept override { return state_.stream; }
  int32_t addOptimizationProfile(nvinfer1::IOptimizationProfile const* profile) noexcept override;
  int32_t getNbOptimizationProfiles() const noexcept override { return static_cast<int32_t>(state_.profiles.size()); }
  void setProfilingVerbosity(nvinfer1::ProfilingVerbosity verbosity) noexcept override { state_.verbosity = verbosity; }
  nvinfer1::ProfilingVerbosity getProfilingVerbosity() const noexcept override { return state_.verbosity; }
  bool setTacticSources(nvinfer1::TacticSources sources) noexcept override;
  nvinfer1::TacticSources getTacticSources() const noexcept override { return state_.tactics; }
  nvinfer1::ITimingCache* createTimingCache(void const* blob, std::size_t size) const noexcept override;
  bool setTimingCache(nvinfer1::ITimingCache const& cache, bool ignoreMismatch) noexcept override;
  nvinfer1::ITimingCache const* getTimingCache() const noexcept override { return state_.cache; }
  void setMemoryPoolLimit(nvinfer1::MemoryPoolType pool, std::size_t size) noexcept override;
  std::size_t getMemoryPoolLimit(nvinfer1::MemoryPoolType pool) const noexcept override;
#if PRESISI_DOUBLE_SINCE_8_6
  void setBuilderOptimizationLevel(int32_t level) noexcept override;
  int32_t getBuilderOptimizationLevel() noexcept override { return state_.level; }
  void setHardwareCompatibilityLevel(nvinfer1::HardwareCompatibilityLevel level) noexcept override {
    state_.hardware = level;
  }
  nvinfer1::HardwareCompatibilityLevel getHardwareCompatibilityLevel() const noexcept override {
    return state_.hardware;
  }
#if NV_TENSORRT_MAJOR >= 11
  bool setMaxAuxStreams(int32_t count) noexcept override { return state_.auxStreams = count, count >= 0; }
#else
  void setMaxAuxStreams(int32_t count) noexcept override { state_.auxStreams = count; }
#endif
  int32_t getMaxAuxStreams() const noexcept override { return state_.auxStreams; }
#endif
#if NV_TENSORRT_MAJOR >= 10
  void setProgressMonitor(nvinfer1::IProgressMonitor* monitor) noexcept override { state_.monitor = monitor; }
  nvinfer1::IProgressMonitor* getProgressMonitor() const noexcept override { return state_.monitor; }
#endif

  const std::vector<const Profile*>& profiles() const { return state_.profiles; }
  TimingCache* cache() const { return state_.cache; }
  nvinfer1::ILogger& logger() const { return logger_; }

 private:
  static uint32_t bit(nvinfer1::BuilderFlag flag) { return 1U << static_cast<uint32_t>(flag); }

  struct State {
    int32_t iterations = 1;
    nvinfer1::EngineCapability capability = nvinfer1::EngineCapability::kSTANDARD;
#if NV_TENSORRT_MAJOR <= 10
    nvinfer1::IInt8Calibrator* calibrator = nullptr;
    const nvinfer1::IOptimizationProfile* calibration = nullptr;
    bool beforeFusion = false;
#endif
    nvinfer1::BuilderFlags flags = 0;
    std::map<const nvinfer1::ILayer*, nvinfer1::DeviceType> devices;
    nvinfer1::DeviceType device = nvinfer1::DeviceType::kGPU;
    int32_t dlaCore = -1;
    cudaStream_t stream = nullptr;
    std::vector<const Profile*> profiles;
    nvinfer1::ProfilingVerbosity verbosity = nvinfer1::ProfilingVerbosity::kLAYER_NAMES_ONLY;
    nvinfer1::TacticSources tactics = ~0U;
    TimingCache* cache = nullptr;
    std::map<nvinfer1::MemoryPoolType, std::size_t> pools;
    int32_t level = 3, auxStreams = -1;
#if PRESISI_DOUBLE_SINCE_8_6
    nvinfer1::HardwareCompatibilityLevel hardware = nvinfer1::HardwareCompatibilityLevel::kNONE;
#endif
#if NV_TENSORRT_MAJOR >= 10
    nvinfer1::IProgressMonitor* monitor = nullptr;
#endif
  };

  nvinfer1::ILogger& logger_;
  State state_;
};

}  // namespace presisi::doubles::tensorrt
