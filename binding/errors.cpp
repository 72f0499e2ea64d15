#include "errors.hpp"

#include <exception>
#include <new>

#include "environment.hpp"

namespace presisi::binding {

Failure currentFailure() {
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.what(), error.hint()};
  } catch (const std::bad_alloc&) {
    return {ErrorCode::OutOfMemory, "out of memory", "use a smaller batch, or free memory on the device"};
  } catch (const std::exception& error) {
    return {ErrorCode::Internal, std::string("internal error: ") + error.what(),
            "this is a defect of presisi; please report it"};
  } catch (...) {
    return {ErrorCode::Internal, "internal error of unknown kind", "this is a defect of presisi; please report it"};
  }
}

Napi::Error toError(Napi::Env env, const Failure& failure) {
  const Napi::String code = Napi::String::New(env, name(failure.code));
  const Napi::String message = Napi::String::New(env, failure.message);
  const Napi::FunctionReference& errorClass = Environment::of(env).errorClass();
  if (errorClass.IsEmpty()) {
    Napi::Error error = Napi::Error::New(env, failure.message);
    error.Set("code", code);
    return error;
  }
  Napi::Object options = Napi::Object::New(env);
  if (!failure.hint.empty()) options.Set("hint", failure.hint);
  return Napi::Error(env, errorClass.New({code, message, options}));
}

}  // namespace presisi::binding
