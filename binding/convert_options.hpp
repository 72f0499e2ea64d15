#pragma once

#include <napi.h>

#include "convert/convert.hpp"

namespace presisi::binding {

/// From `{ architecture?, classes?, inputSize?, growthRate?, width?, depth?, blocks?, batch?, opset?, foldBatchNorm?,
/// simplify?, metadata? }`.
convert::Options toConvertOptions(const Napi::Object& object);

/// `{ source, architecture?, family?, configuration?, parameters, warnings }`
Napi::Object toJs(Napi::Env env, const convert::Summary& summary);

}  // namespace presisi::binding
