#include "core/error.hpp"

namespace presisi {

const char* name(ErrorCode code) {
  switch (code) {
    case ErrorCode::InvalidArgument: return "ERR_PRESISI_INVALID_ARGUMENT";
    case ErrorCode::InvalidModel: return "ERR_PRESISI_INVALID_MODEL";
    case ErrorCode::UnsupportedOperator: return "ERR_PRESISI_UNSUPPORTED_OPERATOR";
    case ErrorCode::UnsupportedModel: return "ERR_PRESISI_UNSUPPORTED_MODEL";
    case ErrorCode::ShapeMismatch: return "ERR_PRESISI_SHAPE_MISMATCH";
    case ErrorCode::InvalidCalibration: return "ERR_PRESISI_INVALID_CALIBRATION";
    case ErrorCode::InvalidEngine: return "ERR_PRESISI_INVALID_ENGINE";
    case ErrorCode::IncompatibleEngine: return "ERR_PRESISI_INCOMPATIBLE_ENGINE";
    case ErrorCode::BackendUnavailable: return "ERR_PRESISI_BACKEND_UNAVAILABLE";
    case ErrorCode::FileSystem: return "ERR_PRESISI_FILE_SYSTEM";
    case ErrorCode::OutOfMemory: return "ERR_PRESISI_OUT_OF_MEMORY";
    case ErrorCode::Canceled: return "ERR_PRESISI_CANCELED";
    case ErrorCode::Disposed: return "ERR_PRESISI_DISPOSED";
    case ErrorCode::Internal: return "ERR_PRESISI_INTERNAL";
  }
  return "ERR_PRESISI_INTERNAL";
}

}  // namespace presisi
