#include "runtime.hpp"

namespace presisi::doubles::tensorrt {

namespace {

class Inspector : public nvinfer1::IEngineInspector {
 public:
  Inspector(const nvinfer1::ICudaEngine& engine, nvinfer1::ILogger& logger, std::shared_ptr<const Loaded> loaded)
      : engine_(engine), logger_(logger), loaded_(std::move(loaded)) {}

  bool setExecutionContext(nvinfer1::IExecutionContext const* context) noexcept override {
    context_ = context;
    return true;
  }
  nvinfer1::IExecutionContext const* getExecutionContext() const noexcept override { return context_; }

  char const* getLayerInformation(int32_t index, nvinfer1::LayerInformationFormat format) const noexcept override {
    if (index < 0 || index >= engine_.getNbLayers()) {
      say(logger_, Severity::kERROR, "getLayerInformation: the layer index is out of range");
      return nullptr;
    }
    return keep(format, [&] { return layer(static_cast<size_t>(index)); });
  }

  char const* getEngineInformation(nvinfer1::LayerInformationFormat format) const noexcept override {
    return keep(format, [&] {
      Json layers = Json::array(), bindings = Json::array();
      for (size_t i = 0; i < loaded_->layers.rows.size(); ++i) layers.push_back(layer(i));
      for (const IoTensor& tensor : loaded_->tensors) bindings.push_back(tensor.name);
      return Json{{"Layers", layers}, {"Bindings", bindings}};
    });
  }

 private:
  Json layer(size_t index) const {
    const LayerRow& row = loaded_->layers.rows[index];
    switch (engine_.getProfilingVerbosity()) {
      case nvinfer1::ProfilingVerbosity::kDETAILED:
        return inspect(loaded_->layers, row, !context_ && !loaded_->profiles.empty());
      case nvinfer1::ProfilingVerbosity::kLAYER_NAMES_ONLY: return row.name;
      default: return "Layer information is not available: the engine was built with ProfilingVerbosity::kNONE";
    }
  }

  template <typename Make>
  char const* keep(nvinfer1::LayerInformationFormat format, const Make& make) const noexcept {
    // Valid until the next call, as documented.
    const bool good = guarded(logger_, "inspector", [&] {
      const Json json = make();
      text_ = format == nvinfer1::LayerInformationFormat::kJSON ? json.dump(2) : json.dump();
      return true;
    });
    return good ? text_.c_str() : nullptr;
  }

  const nvinfer1::ICudaEngine& engine_;
  nvinfer1::ILogger& logger_;
  std::shared_ptr<const Loaded> loaded_;
  const nvinfer1::IExecutionContext* context_ = nullptr;
  mutable std::string text_;
};

}  // namespace

std::unique_ptr<nvinfer1::IEngineInspector> newInspector(const nvinfer1::ICudaEngine& engine, nvinfer1::ILogger& logger,
                                                         std::shared_ptr<const Loaded> loaded) {
  return std::make_unique<Inspector>(engine, logger, std::move(loaded));
}

}  // namespace presisi::doubles::tensorrt
