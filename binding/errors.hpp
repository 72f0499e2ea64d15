#pragma once

#include <napi.h>

#include <string>

#include "core/error.hpp"

namespace presisi::binding {

/// An exception, carried from the thread that caught it to the one that may make JavaScript values.
struct Failure {
  ErrorCode code = ErrorCode::Internal;
  std::string message;
  std::string hint;
};

/// Translates the exception being handled; call it inside a catch block.
Failure currentFailure();

/// A PresisiError (the class JavaScript injected) for this environment.
Napi::Error toError(Napi::Env env, const Failure& failure);

/// The one place where exceptions of the core become JavaScript's: the body of every exported function goes through.
template <typename Body>
Napi::Value guard(Napi::Env env, const Body& body) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw toError(env, currentFailure());
  }
}

}  // namespace presisi::binding
