#pragma once

#include <napi.h>

#include "calibration/table.hpp"

namespace presisi::binding {

/// From `{ model?, data?, preprocessing? }`; absent fields stay empty, which means they are not compared.
calibration::Fingerprint toFingerprint(const Napi::Value& value);

}  // namespace presisi::binding
