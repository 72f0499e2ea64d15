#include "fingerprint.hpp"

#include "conversions.hpp"

namespace presisi::binding {

calibration::Fingerprint toFingerprint(const Napi::Value& value) {
  calibration::Fingerprint fingerprint;
  if (value.IsUndefined()) return fingerprint;
  const Napi::Object object = requireObject(value, "fingerprint");
  fingerprint.model = optionalString(object, "model");
  fingerprint.data = optionalString(object, "data");
  fingerprint.preprocessing = optionalString(object, "preprocessing");
  return fingerprint;
}

}  // namespace presisi::binding
