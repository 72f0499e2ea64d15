// Every member function that the stand-in offers, to be compiled against it and against TensorRT's own headers. See
// conformance.cpp.

#include <NvInfer.h>
#include <NvOnnxParser.h>

#include <cstddef>
#include <cstdint>

#define SINCE_8_6 (NV_TENSORRT_MAJOR > 8 || NV_TENSORRT_MINOR >= 6)

// The address of exactly this overload: name, result, arguments, const and noexcept.
#define HAS(Class, member, Result, Arguments, Qualifiers) \
  static_assert(static_cast<Result(Class::*) Arguments Qualifiers>(&Class::member) != nullptr, #Class "::" #member)

namespace nvinfer1 {

// IHostMemory
HAS(IHostMemory, data, void*, (), const noexcept);
HAS(IHostMemory, size, std::size_t, (), const noexcept);
HAS(IHostMemory, type, DataType, (), const noexcept);
// IRuntime
HAS(IRuntime, setDLACore, void, (int32_t), noexcept);
HAS(IRuntime, getDLACore, int32_t, (), const noexcept);
HAS(IRuntime, getNbDLACores, int32_t, (), const noexcept);
HAS(IRuntime, deserializeCudaEngine, ICudaEngine*, (void const*, std::size_t), noexcept);
HAS(IRuntime, getLogger, ILogger*, (), const noexcept);
HAS(IRuntime, setMaxThreads, bool, (int32_t), noexcept);
HAS(IRuntime, getMaxThreads, int32_t, (), const noexcept);
#if SINCE_8_6
HAS(IRuntime, setEngineHostCodeAllowed, void, (bool), noexcept);
HAS(IRuntime, getEngineHostCodeAllowed, bool, (), const noexcept);
#endif
// IOptimizationProfile
#if NV_TENSORRT_MAJOR >= 10
HAS(IOptimizationProfile, setDimensions, bool, (char const*, OptProfileSelector, Dims const&), noexcept);
#else
HAS(IOptimizationProfile, setDimensions, bool, (char const*, OptProfileSelector, Dims), noexcept);
#endif
HAS(IOptimizationProfile, getDimensions, Dims, (char const*, OptProfileSelector), const noexcept);
HAS(IOptimizationProfile, isValid, bool, (), const noexcept);
// ICudaEngine
HAS(ICudaEngine, getTensorShape, Dims, (char const*), const noexcept);
HAS(ICudaEngine, getTensorDataType, DataType, (char const*), const noexcept);
HAS(ICudaEngine, getNbLayers, int32_t, (), const noexcept);
HAS(ICudaEngine, serialize, IHostMemory*, (), const noexcept);
#if NV_TENSORRT_MAJOR >= 10
HAS(ICudaEngine, createExecutionContext, IExecutionContext*, (ExecutionContextAllocationStrategy), noexcept);
#else
HAS(ICudaEngine, createExecutionContext, IExecutionContext*, (), noexcept);
HAS(ICudaEngine, createExecutionContextWithoutDeviceMemory, IExecutionContext*, (), noexcept);
#endif
HAS(ICudaEngine, getTensorLocation, TensorLocation, (char const*), const noexcept);
HAS(ICudaEngine, isShapeInferenceIO, bool, (char const*), const noexcept);
HAS(ICudaEngine, getTensorIOMode, TensorIOMode, (char const*), const noexcept);
#if NV_TENSORRT_MAJOR >= 10
HAS(ICudaEngine, getDeviceMemorySizeV2, int64_t, (), const noexcept);
HAS(ICudaEngine, getDeviceMemorySizeForProfileV2, int64_t, (int32_t), const noexcept);
#endif
#if NV_TENSORRT_MAJOR <= 10
HAS(ICudaEngine, getDeviceMemorySize, size_t, (), const noexcept);
#endif
HAS(ICudaEngine, isRefittable, bool, (), const noexcept);
HAS(ICudaEngine, getTensorBytesPerComponent, int32_t, (char const*), const noexcept);
HAS(ICudaEngine, getTensorComponentsPerElement, int32_t, (char const*), const noexcept);
HAS(ICudaEngine, getTensorFormat, TensorFormat, (char const*), const noexcept);
HAS(ICudaEngine, getTensorFormatDesc, char const*, (char const*), const noexcept);
HAS(ICudaEngine, getTensorVectorizedDim, int32_t, (char const*), const noexcept);
HAS(ICudaEngine, getName, char const*, (), const noexcept);
HAS(ICudaEngine, getNbOptimizationProfiles, int32_t, (), const noexcept);
HAS(ICudaEngine, getProfileShape, Dims, (char const*, int32_t, OptProfileSelector), const noexcept);
HAS(ICudaEngine, getEngineCapability, EngineCapability, (), const noexcept);
HAS(ICudaEngine, getTacticSources, TacticSources, (), const noexcept);
HAS(ICudaEngine, getProfilingVerbosity, ProfilingVerbosity, (), const noexcept);
HAS(ICudaEngine, createEngineInspector, IEngineInspector*, (), const noexcept);
HAS(ICudaEngine, getNbIOTensors, int32_t, (), const noexcept);
HAS(ICudaEngine, getIOTensorName, char const*, (int32_t), const noexcept);
#if SINCE_8_6
HAS(ICudaEngine, getHardwareCompatibilityLevel, HardwareCompatibilityLevel, (), const noexcept);
HAS(ICudaEngine, getNbAuxStreams, int32_t, (), const noexcept);
#endif
// IExecutionContext
HAS(IExecutionContext, setDebugSync, void, (bool), noexcept);
HAS(IExecutionContext, getDebugSync, bool, (), const noexcept);
HAS(IExecutionContext, setProfiler, void, (IProfiler*), noexcept);
HAS(IExecutionContext, getProfiler, IProfiler*, (), const noexcept);
HAS(IExecutionContext, getEngine, ICudaEngine const&, (), const noexcept);
HAS(IExecutionContext, setName, void, (char const*), noexcept);
HAS(IExecutionContext, getName, char const*, (), const noexcept);
HAS(IExecutionContext, setDeviceMemory, void, (void*), noexcept);
#if NV_TENSORRT_MAJOR >= 10
HAS(IExecutionContext, setDeviceMemoryV2, void, (void*, int64_t), noexcept);
HAS(IExecutionContext, updateDeviceMemorySizeForShapes, size_t, (), noexcept);
#endif
HAS(IExecutionContext, getTensorStrides, Dims, (char const*), const noexcept);
HAS(IExecutionContext, getOptimizationProfile, int32_t, (), const noexcept);
HAS(IExecutionContext, setInputShape, bool, (char const*, Dims const&), noexcept);
HAS(IExecutionContext, getTensorShape, Dims, (char const*), const noexcept);
HAS(IExecutionContext, allInputDimensionsSpecified, bool, (), const noexcept);
HAS(IExecutionContext, setOptimizationProfileAsync, bool, (int32_t, cudaStream_t), noexcept);
HAS(IExecutionContext, setEnqueueEmitsProfile, void, (bool), noexcept);
HAS(IExecutionContext, getEnqueueEmitsProfile, bool, (), const noexcept);
HAS(IExecutionContext, reportToProfiler, bool, (), const noexcept);
HAS(IExecutionContext, setTensorAddress, bool, (char const*, void*), noexcept);
HAS(IExecutionContext, getTensorAddress, void const*, (char const*), const noexcept);
HAS(IExecutionContext, setInputTensorAddress, bool, (char const*, void const*), noexcept);
HAS(IExecutionContext, getOutputTensorAddress, void*, (char const*), const noexcept);
HAS(IExecutionContext, inferShapes, int32_t, (int32_t, char const**), noexcept);
HAS(IExecutionContext, setInputConsumedEvent, bool, (cudaEvent_t), noexcept);
HAS(IExecutionContext, getInputConsumedEvent, cudaEvent_t, (), const noexcept);
HAS(IExecutionContext, setOutputAllocator, bool, (char const*, IOutputAllocator*), noexcept);
HAS(IExecutionContext, getOutputAllocator, IOutputAllocator*, (char const*), const noexcept);
HAS(IExecutionContext, getMaxOutputSize, int64_t, (char const*), const noexcept);
HAS(IExecutionContext, enqueueV3, bool, (cudaStream_t), noexcept);
HAS(IExecutionContext, setPersistentCacheLimit, void, (size_t), noexcept);
HAS(IExecutionContext, getPersistentCacheLimit, size_t, (), const noexcept);
HAS(IExecutionContext, setNvtxVerbosity, bool, (ProfilingVerbosity), noexcept);
HAS(IExecutionContext, getNvtxVerbosity, ProfilingVerbosity, (), const noexcept);
#if SINCE_8_6
HAS(IExecutionContext, setAuxStreams, void, (cudaStream_t*, int32_t), noexcept);
#endif
// IEngineInspector
HAS(IEngineInspector, setExecutionContext, bool, (IExecutionContext const*), noexcept);
HAS(IEngineInspector, getExecutionContext, IExecutionContext const*, (), const noexcept);
HAS(IEngineInspector, getLayerInformation, char const*, (int32_t, LayerInformationFormat), const noexcept);
HAS(IEngineInspector, getEngineInformation, char const*, (LayerInformationFormat), const noexcept);
// ITensor
HAS(ITensor, setName, void, (char const*), noexcept);
HAS(ITensor, getName, char const*, (), const noexcept);
#if NV_TENSORRT_MAJOR >= 10
HAS(ITensor, setDimensions, void, (Dims const&), noexcept);
#else
HAS(ITensor, setDimensions, void, (Dims), noexcept);
#endif
HAS(ITensor, getDimensions, Dims, (), const noexcept);
#if NV_TENSORRT_MAJOR <= 10
HAS(ITensor, setType, void, (DataType), noexcept);
HAS(ITensor, setDynamicRange, bool, (float, float), noexcept);
HAS(ITensor, dynamicRangeIsSet, bool, (), const noexcept);
HAS(ITensor, resetDynamicRange, void, (), noexcept);
HAS(ITensor, getDynamicRangeMin, float, (), const noexcept);
HAS(ITensor, getDynamicRangeMax, float, (), const noexcept);
#endif
HAS(ITensor, getType, DataType, (), const noexcept);
HAS(ITensor, isNetworkInput, bool, (), const noexcept);
HAS(ITensor, isNetworkOutput, bool, (), const noexcept);
HAS(ITensor, getLocation, TensorLocation, (), const noexcept);
HAS(ITensor, setAllowedFormats, void, (TensorFormats), noexcept);
HAS(ITensor, getAllowedFormats, TensorFormats, (), const noexcept);
HAS(ITensor, isShapeTensor, bool, (), const noexcept);
HAS(ITensor, isExecutionTensor, bool, (), const noexcept);
// ILayer
HAS(ILayer, getType, LayerType, (), const noexcept);
HAS(ILayer, setName, void, (char const*), noexcept);
HAS(ILayer, getName, char const*, (), const noexcept);
HAS(ILayer, getNbInputs, int32_t, (), const noexcept);
HAS(ILayer, getInput, ITensor*, (int32_t), const noexcept);
HAS(ILayer, getNbOutputs, int32_t, (), const noexcept);
HAS(ILayer, getOutput, ITensor*, (int32_t), const noexcept);
#if NV_TENSORRT_MAJOR <= 10
HAS(ILayer, setPrecision, void, (DataType), noexcept);
HAS(ILayer, getPrecision, DataType, (), const noexcept);
HAS(ILayer, precisionIsSet, bool, (), const noexcept);
HAS(ILayer, resetPrecision, void, (), noexcept);
HAS(ILayer, setOutputType, void, (int32_t, DataType), noexcept);
HAS(ILayer, outputTypeIsSet, bool, (int32_t), const noexcept);
HAS(ILayer, resetOutputType, void, (int32_t), noexcept);
#endif
HAS(ILayer, getOutputType, DataType, (int32_t), const noexcept);
#if SINCE_8_6
HAS(ILayer, setMetadata, void, (char const*), noexcept);
HAS(ILayer, getMetadata, char const*, (), const noexcept);
#endif
// INetworkDefinition
HAS(INetworkDefinition, markOutput, void, (ITensor&), noexcept);
HAS(INetworkDefinition, unmarkOutput, void, (ITensor&), noexcept);
HAS(INetworkDefinition, getNbLayers, int32_t, (), const noexcept);
HAS(INetworkDefinition, getLayer, ILayer*, (int32_t), const noexcept);
HAS(INetworkDefinition, getNbInputs, int32_t, (), const noexcept);
HAS(INetworkDefinition, getInput, ITensor*, (int32_t), const noexcept);
HAS(INetworkDefinition, getNbOutputs, int32_t, (), const noexcept);
HAS(INetworkDefinition, getOutput, ITensor*, (int32_t), const noexcept);
HAS(INetworkDefinition, setName, void, (char const*), noexcept);
HAS(INetworkDefinition, getName, char const*, (), const noexcept);
#if NV_TENSORRT_MAJOR >= 10
HAS(INetworkDefinition, getFlags, NetworkDefinitionCreationFlags, (), const noexcept);
HAS(INetworkDefinition, getFlag, bool, (NetworkDefinitionCreationFlag), const noexcept);
#endif
#if SINCE_8_6
HAS(INetworkDefinition, getBuilder, IBuilder&, (), const noexcept);
#endif
// ITimingCache
HAS(ITimingCache, serialize, IHostMemory*, (), const noexcept);
HAS(ITimingCache, combine, bool, (ITimingCache const&, bool), noexcept);
HAS(ITimingCache, reset, bool, (), noexcept);
// IBuilderConfig
HAS(IBuilderConfig, setAvgTimingIterations, void, (int32_t), noexcept);
HAS(IBuilderConfig, getAvgTimingIterations, int32_t, (), const noexcept);
HAS(IBuilderConfig, setEngineCapability, void, (EngineCapability), noexcept);
HAS(IBuilderConfig, getEngineCapability, EngineCapability, (), const noexcept);
#if NV_TENSORRT_MAJOR <= 10
HAS(IBuilderConfig, setInt8Calibrator, void, (IInt8Calibrator*), noexcept);
HAS(IBuilderConfig, getInt8Calibrator, IInt8Calibrator*, (), const noexcept);
HAS(IBuilderConfig, setCalibrationProfile, bool, (IOptimizationProfile const*), noexcept);
HAS(IBuilderConfig, getCalibrationProfile, IOptimizationProfile const*, (), noexcept);
HAS(IBuilderConfig, setQuantizationFlag, void, (QuantizationFlag), noexcept);
HAS(IBuilderConfig, clearQuantizationFlag, void, (QuantizationFlag), noexcept);
HAS(IBuilderConfig, getQuantizationFlag, bool, (QuantizationFlag), const noexcept);
#endif
HAS(IBuilderConfig, setFlags, void, (BuilderFlags), noexcept);
HAS(IBuilderConfig, getFlags, BuilderFlags, (), const noexcept);
HAS(IBuilderConfig, clearFlag, void, (BuilderFlag), noexcept);
HAS(IBuilderConfig, setFlag, void, (BuilderFlag), noexcept);
HAS(IBuilderConfig, getFlag, bool, (BuilderFlag), const noexcept);
HAS(IBuilderConfig, setDeviceType, void, (ILayer const*, DeviceType), noexcept);
HAS(IBuilderConfig, getDeviceType, DeviceType, (ILayer const*), const noexcept);
HAS(IBuilderConfig, isDeviceTypeSet, bool, (ILayer const*), const noexcept);
HAS(IBuilderConfig, resetDeviceType, void, (ILayer const*), noexcept);
HAS(IBuilderConfig, canRunOnDLA, bool, (ILayer const*), const noexcept);
HAS(IBuilderConfig, setDLACore, void, (int32_t), noexcept);
HAS(IBuilderConfig, getDLACore, int32_t, (), const noexcept);
HAS(IBuilderConfig, setDefaultDeviceType, void, (DeviceType), noexcept);
HAS(IBuilderConfig, getDefaultDeviceType, DeviceType, (), const noexcept);
HAS(IBuilderConfig, reset, void, (), noexcept);
HAS(IBuilderConfig, setProfileStream, void, (const cudaStream_t), noexcept);
HAS(IBuilderConfig, getProfileStream, cudaStream_t, (), const noexcept);
HAS(IBuilderConfig, addOptimizationProfile, int32_t, (IOptimizationProfile const*), noexcept);
HAS(IBuilderConfig, getNbOptimizationProfiles, int32_t, (), const noexcept);
HAS(IBuilderConfig, setProfilingVerbosity, void, (ProfilingVerbosity), noexcept);
HAS(IBuilderConfig, getProfilingVerbosity, ProfilingVerbosity, (), const noexcept);
HAS(IBuilderConfig, setTacticSources, bool, (TacticSources), noexcept);
HAS(IBuilderConfig, getTacticSources, TacticSources, (), const noexcept);
HAS(IBuilderConfig, createTimingCache, ITimingCache*, (void const*, std::size_t), const noexcept);
HAS(IBuilderConfig, setTimingCache, bool, (ITimingCache const&, bool), noexcept);
HAS(IBuilderConfig, getTimingCache, ITimingCache const*, (), const noexcept);
HAS(IBuilderConfig, setMemoryPoolLimit, void, (MemoryPoolType, std::size_t), noexcept);
HAS(IBuilderConfig, getMemoryPoolLimit, std::size_t, (MemoryPoolType), const noexcept);
#if SINCE_8_6
HAS(IBuilderConfig, setBuilderOptimizationLevel, void, (int32_t), noexcept);
HAS(IBuilderConfig, getBuilderOptimizationLevel, int32_t, (), noexcept);
HAS(IBuilderConfig, setHardwareCompatibilityLevel, void, (HardwareCompatibilityLevel), noexcept);
HAS(IBuilderConfig, getHardwareCompatibilityLevel, HardwareCompatibilityLevel, (), const noexcept);
#if NV_TENSORRT_MAJOR >= 11
HAS(IBuilderConfig, setMaxAuxStreams, bool, (int32_t), noexcept);
#else
HAS(IBuilderConfig, setMaxAuxStreams, void, (int32_t), noexcept);
#endif
HAS(IBuilderConfig, getMaxAuxStreams, int32_t, (), const noexcept);
#endif
#if NV_TENSORRT_MAJOR >= 10
HAS(IBuilderConfig, setProgressMonitor, void, (IProgressMonitor*), noexcept);
HAS(IBuilderConfig, getProgressMonitor, IProgressMonitor*, (), const noexcept);
#endif
// IBuilder
#if NV_TENSORRT_MAJOR <= 10
HAS(IBuilder, platformHasFastFp16, bool, (), const noexcept);
HAS(IBuilder, platformHasFastInt8, bool, (), const noexcept);
HAS(IBuilder, platformHasTf32, bool, (), const noexcept);
#endif
HAS(IBuilder, getMaxDLABatchSize, int32_t, (), const noexcept);
HAS(IBuilder, getNbDLACores, int32_t, (), const noexcept);
HAS(IBuilder, createBuilderConfig, IBuilderConfig*, (), noexcept);
HAS(IBuilder, createNetworkV2, INetworkDefinition*, (NetworkDefinitionCreationFlags), noexcept);
HAS(IBuilder, createOptimizationProfile, IOptimizationProfile*, (), noexcept);
HAS(IBuilder, reset, void, (), noexcept);
HAS(IBuilder, buildSerializedNetwork, IHostMemory*, (INetworkDefinition&, IBuilderConfig&), noexcept);
HAS(IBuilder, isNetworkSupported, bool, (INetworkDefinition const&, IBuilderConfig const&), const noexcept);
HAS(IBuilder, getLogger, ILogger*, (), const noexcept);
HAS(IBuilder, setMaxThreads, bool, (int32_t), noexcept);
HAS(IBuilder, getMaxThreads, int32_t, (), const noexcept);

}  // namespace nvinfer1

namespace nvonnxparser {

#if NV_TENSORRT_MAJOR >= 10
#define PARSER_NOEXCEPT noexcept
#else
#define PARSER_NOEXCEPT
#endif

// IParserError
HAS(IParserError, code, ErrorCode, (), const);
HAS(IParserError, desc, char const*, (), const);
HAS(IParserError, file, char const*, (), const);
HAS(IParserError, line, int, (), const);
HAS(IParserError, func, char const*, (), const);
HAS(IParserError, node, int, (), const);
#if NV_TENSORRT_MAJOR >= 10
HAS(IParserError, nodeName, char const*, (), const);
HAS(IParserError, nodeOperator, char const*, (), const);
HAS(IParserError, localFunctionStack, char const* const*, (), const);
HAS(IParserError, localFunctionStackSize, int32_t, (), const);
#endif
// IParser
HAS(IParser, parse, bool, (void const*, size_t, const char*), PARSER_NOEXCEPT);
HAS(IParser, parseFromFile, bool, (const char*, int), PARSER_NOEXCEPT);
HAS(IParser, supportsOperator, bool, (const char*), const PARSER_NOEXCEPT);
HAS(IParser, getNbErrors, int, (), const PARSER_NOEXCEPT);
HAS(IParser, getError, IParserError const*, (int), const PARSER_NOEXCEPT);
HAS(IParser, clearErrors, void, (), PARSER_NOEXCEPT);
#if SINCE_8_6
HAS(IParser, setFlags, void, (OnnxParserFlags), noexcept);
HAS(IParser, getFlags, OnnxParserFlags, (), const noexcept);
HAS(IParser, clearFlag, void, (OnnxParserFlag), noexcept);
HAS(IParser, setFlag, void, (OnnxParserFlag), noexcept);
HAS(IParser, getFlag, bool, (OnnxParserFlag), const noexcept);
#endif

static_assert(static_cast<int>(ErrorCode::kMODEL_DESERIALIZE_FAILED) == 3 &&
              static_cast<int>(ErrorCode::kUNSUPPORTED_NODE) == 8);

}  // namespace nvonnxparser
