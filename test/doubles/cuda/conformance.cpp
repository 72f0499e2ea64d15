// Every function, enumerator, constant and field that the stand-in offers, to be compiled against it and against CUDA's
// own headers: what differs from the published interface fails to compile. Nothing here runs.

#include <cuda_runtime_api.h>

#include <type_traits>

// Exactly this function; CUDA may mark it noexcept or not.
#define HAS(function, Result, Arguments) \
  static_assert(static_cast<Result(*) Arguments>(&function) != nullptr, #function)

HAS(cudaGetDeviceCount, cudaError_t, (int*));
HAS(cudaGetDevice, cudaError_t, (int*));
HAS(cudaSetDevice, cudaError_t, (int));
HAS(cudaSetDeviceFlags, cudaError_t, (unsigned int));
HAS(cudaGetDeviceFlags, cudaError_t, (unsigned int*));
HAS(cudaGetDeviceProperties, cudaError_t, (cudaDeviceProp*, int));
HAS(cudaDeviceGetAttribute, cudaError_t, (int*, cudaDeviceAttr, int));
HAS(cudaDeviceGetPCIBusId, cudaError_t, (char*, int, int));
HAS(cudaDeviceSynchronize, cudaError_t, ());
HAS(cudaDeviceGetStreamPriorityRange, cudaError_t, (int*, int*));
HAS(cudaMemGetInfo, cudaError_t, (size_t*, size_t*));
HAS(cudaDriverGetVersion, cudaError_t, (int*));
HAS(cudaRuntimeGetVersion, cudaError_t, (int*));
HAS(cudaGetLastError, cudaError_t, ());
HAS(cudaPeekAtLastError, cudaError_t, ());
HAS(cudaGetErrorName, const char*, (cudaError_t));
HAS(cudaGetErrorString, const char*, (cudaError_t));
HAS(cudaMalloc, cudaError_t, (void**, size_t));
HAS(cudaMallocManaged, cudaError_t, (void**, size_t, unsigned int));
HAS(cudaFree, cudaError_t, (void*));
HAS(cudaMallocAsync, cudaError_t, (void**, size_t, cudaStream_t));
HAS(cudaFreeAsync, cudaError_t, (void*, cudaStream_t));
HAS(cudaMallocHost, cudaError_t, (void**, size_t));
HAS(cudaHostAlloc, cudaError_t, (void**, size_t, unsigned int));
HAS(cudaFreeHost, cudaError_t, (void*));
HAS(cudaHostRegister, cudaError_t, (void*, size_t, unsigned int));
HAS(cudaHostUnregister, cudaError_t, (void*));
HAS(cudaHostGetDevicePointer, cudaError_t, (void**, void*, unsigned int));
HAS(cudaPointerGetAttributes, cudaError_t, (cudaPointerAttributes*, const void*));
HAS(cudaMemcpy, cudaError_t, (void*, const void*, size_t, cudaMemcpyKind));
HAS(cudaMemcpyAsync, cudaError_t, (void*, const void*, size_t, cudaMemcpyKind, cudaStream_t));
HAS(cudaMemset, cudaError_t, (void*, int, size_t));
HAS(cudaMemsetAsync, cudaError_t, (void*, int, size_t, cudaStream_t));
HAS(cudaStreamCreate, cudaError_t, (cudaStream_t*));
HAS(cudaStreamCreateWithFlags, cudaError_t, (cudaStream_t*, unsigned int));
HAS(cudaStreamCreateWithPriority, cudaError_t, (cudaStream_t*, unsigned int, int));
HAS(cudaStreamDestroy, cudaError_t, (cudaStream_t));
HAS(cudaStreamSynchronize, cudaError_t, (cudaStream_t));
HAS(cudaStreamQuery, cudaError_t, (cudaStream_t));
HAS(cudaStreamWaitEvent, cudaError_t, (cudaStream_t, cudaEvent_t, unsigned int));
HAS(cudaLaunchHostFunc, cudaError_t, (cudaStream_t, cudaHostFn_t, void*));
HAS(cudaEventCreate, cudaError_t, (cudaEvent_t*));
HAS(cudaEventCreateWithFlags, cudaError_t, (cudaEvent_t*, unsigned int));
HAS(cudaEventDestroy, cudaError_t, (cudaEvent_t));
HAS(cudaEventRecord, cudaError_t, (cudaEvent_t, cudaStream_t));
HAS(cudaEventQuery, cudaError_t, (cudaEvent_t));
HAS(cudaEventSynchronize, cudaError_t, (cudaEvent_t));
HAS(cudaEventElapsedTime, cudaError_t, (float*, cudaEvent_t, cudaEvent_t));
HAS(cudaStreamBeginCapture, cudaError_t, (cudaStream_t, cudaStreamCaptureMode));
HAS(cudaStreamEndCapture, cudaError_t, (cudaStream_t, cudaGraph_t*));
HAS(cudaStreamIsCapturing, cudaError_t, (cudaStream_t, cudaStreamCaptureStatus*));
HAS(cudaGraphInstantiateWithFlags, cudaError_t, (cudaGraphExec_t*, cudaGraph_t, unsigned long long));
HAS(cudaGraphGetNodes, cudaError_t, (cudaGraph_t, cudaGraphNode_t*, size_t*));
HAS(cudaGraphUpload, cudaError_t, (cudaGraphExec_t, cudaStream_t));
HAS(cudaGraphLaunch, cudaError_t, (cudaGraphExec_t, cudaStream_t));
HAS(cudaGraphDestroy, cudaError_t, (cudaGraph_t));
HAS(cudaGraphExecDestroy, cudaError_t, (cudaGraphExec_t));

static_assert(cudaSuccess == 0);
static_assert(cudaErrorInvalidValue == 1);
static_assert(cudaErrorMemoryAllocation == 2);
static_assert(cudaErrorInitializationError == 3);
static_assert(cudaErrorCudartUnloading == 4);
static_assert(cudaErrorInvalidDevicePointer == 17);
static_assert(cudaErrorInvalidMemcpyDirection == 21);
static_assert(cudaErrorInsufficientDriver == 35);
static_assert(cudaErrorNoDevice == 100);
static_assert(cudaErrorInvalidDevice == 101);
static_assert(cudaErrorInvalidResourceHandle == 400);
static_assert(cudaErrorIllegalState == 401);
static_assert(cudaErrorNotReady == 600);
static_assert(cudaErrorIllegalAddress == 700);
static_assert(cudaErrorHostMemoryAlreadyRegistered == 712);
static_assert(cudaErrorHostMemoryNotRegistered == 713);
static_assert(cudaErrorLaunchFailure == 719);
static_assert(cudaErrorNotPermitted == 800);
static_assert(cudaErrorNotSupported == 801);
static_assert(cudaErrorSystemDriverMismatch == 803);
static_assert(cudaErrorStreamCaptureUnsupported == 900);
static_assert(cudaErrorStreamCaptureInvalidated == 901);
static_assert(cudaErrorStreamCaptureMerge == 902);
static_assert(cudaErrorStreamCaptureUnmatched == 903);
static_assert(cudaErrorStreamCaptureUnjoined == 904);
static_assert(cudaErrorStreamCaptureIsolation == 905);
static_assert(cudaErrorStreamCaptureImplicit == 906);
static_assert(cudaErrorCapturedEvent == 907);
static_assert(cudaErrorStreamCaptureWrongThread == 908);
static_assert(cudaErrorUnknown == 999);
static_assert(cudaMemcpyHostToHost == 0);
static_assert(cudaMemcpyHostToDevice == 1);
static_assert(cudaMemcpyDeviceToHost == 2);
static_assert(cudaMemcpyDeviceToDevice == 3);
static_assert(cudaMemcpyDefault == 4);
static_assert(cudaMemoryTypeUnregistered == 0);
static_assert(cudaMemoryTypeHost == 1);
static_assert(cudaMemoryTypeDevice == 2);
static_assert(cudaMemoryTypeManaged == 3);
static_assert(cudaStreamCaptureModeGlobal == 0);
static_assert(cudaStreamCaptureModeThreadLocal == 1);
static_assert(cudaStreamCaptureModeRelaxed == 2);
static_assert(cudaStreamCaptureStatusNone == 0);
static_assert(cudaStreamCaptureStatusActive == 1);
static_assert(cudaStreamCaptureStatusInvalidated == 2);
static_assert(cudaDevAttrMaxThreadsPerBlock == 1);
static_assert(cudaDevAttrWarpSize == 10);
static_assert(cudaDevAttrClockRate == 13);
static_assert(cudaDevAttrMultiProcessorCount == 16);
static_assert(cudaDevAttrIntegrated == 18);
static_assert(cudaDevAttrCanMapHostMemory == 19);
static_assert(cudaDevAttrComputeMode == 20);
static_assert(cudaDevAttrConcurrentKernels == 31);
static_assert(cudaDevAttrPciBusId == 33);
static_assert(cudaDevAttrPciDeviceId == 34);
static_assert(cudaDevAttrMemoryClockRate == 36);
static_assert(cudaDevAttrGlobalMemoryBusWidth == 37);
static_assert(cudaDevAttrL2CacheSize == 38);
static_assert(cudaDevAttrAsyncEngineCount == 40);
static_assert(cudaDevAttrUnifiedAddressing == 41);
static_assert(cudaDevAttrPciDomainId == 50);
static_assert(cudaDevAttrComputeCapabilityMajor == 75);
static_assert(cudaDevAttrComputeCapabilityMinor == 76);
static_assert(cudaDevAttrManagedMemory == 83);
static_assert(cudaDevAttrPageableMemoryAccess == 88);
static_assert(cudaDevAttrConcurrentManagedAccess == 89);
static_assert(cudaDevAttrCanUseHostPointerForRegisteredMem == 91);
static_assert(cudaDevAttrHostRegisterSupported == 99);
static_assert(cudaDevAttrPageableMemoryAccessUsesHostPageTables == 100);
static_assert(cudaHostAllocDefault == 0x00);
static_assert(cudaHostAllocPortable == 0x01);
static_assert(cudaHostAllocMapped == 0x02);
static_assert(cudaHostAllocWriteCombined == 0x04);
static_assert(cudaHostRegisterDefault == 0x00);
static_assert(cudaHostRegisterPortable == 0x01);
static_assert(cudaHostRegisterMapped == 0x02);
static_assert(cudaEventDefault == 0x00);
static_assert(cudaEventBlockingSync == 0x01);
static_assert(cudaEventDisableTiming == 0x02);
static_assert(cudaStreamDefault == 0x00);
static_assert(cudaStreamNonBlocking == 0x01);
static_assert(cudaDeviceScheduleAuto == 0x00);
static_assert(cudaDeviceScheduleSpin == 0x01);
static_assert(cudaDeviceScheduleYield == 0x02);
static_assert(cudaDeviceScheduleBlockingSync == 0x04);
static_assert(cudaDeviceMapHost == 0x08);
static_assert(cudaMemAttachGlobal == 0x01);
static_assert(cudaMemAttachHost == 0x02);

template <typename Properties>
constexpr bool fields =
    (sizeof(Properties::name) == 256) &&
    std::is_same_v<decltype(Properties::totalGlobalMem), size_t>&& std::is_same_v<
        decltype(Properties::sharedMemPerBlock),
        size_t>&& std::is_same_v<decltype(Properties::warpSize),
                                 int>&& std::is_same_v<decltype(Properties::maxThreadsPerBlock), int>&& std::
        is_same_v<decltype(Properties::major), int>&& std::is_same_v<decltype(Properties::minor), int>&& std::is_same_v<
            decltype(Properties::multiProcessorCount),
            int>&& std::is_same_v<decltype(Properties::integrated),
                                  int>&& std::is_same_v<decltype(Properties::canMapHostMemory), int>&& std::
            is_same_v<decltype(Properties::concurrentKernels), int>&& std::is_same_v<
                decltype(Properties::pciBusID), int>&& std::is_same_v<decltype(Properties::pciDeviceID), int>&& std::
                is_same_v<decltype(Properties::pciDomainID), int>&& std::is_same_v<
                    decltype(Properties::asyncEngineCount),
                    int>&& std::is_same_v<decltype(Properties::unifiedAddressing),
                                          int>&& std::is_same_v<decltype(Properties::memoryBusWidth), int>&& std::
                    is_same_v<decltype(Properties::l2CacheSize),
                              int>&& std::is_same_v<decltype(Properties::managedMemory), int>;
static_assert(fields<cudaDeviceProp>);
static_assert(sizeof(cudaUUID_t) == 16);
static_assert(std::is_same_v<decltype(cudaPointerAttributes::type), cudaMemoryType> &&
              std::is_same_v<decltype(cudaPointerAttributes::devicePointer), void*> &&
              std::is_same_v<decltype(cudaPointerAttributes::hostPointer), void*>);
