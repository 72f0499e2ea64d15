#pragma once

#include "core/progress.hpp"
#include "core/stop_token.hpp"
#include "core/trace.hpp"

namespace presisi {

/// One step of long work: a chance to stop, reported when it begins and ends, recorded as a phase.
template <typename Body>
auto step(const char* name, const ProgressFn& progress, const StopToken& stop, const Body& body) {
  stop.check();
  if (progress) progress({name, 0, 1});
  auto result = [&] {
    const Span span(name);
    return body();
  }();
  if (progress) progress({name, 1, 1});
  return result;
}

}  // namespace presisi
