#pragma once

#include <napi.h>

#include <vector>

#include "core/trace.hpp"

namespace presisi::binding {

/// The phases of a job, and when its work began and ended.
struct JobSpans {
  SpanRecord::Mark begin;
  SpanRecord::Mark end;
  std::vector<SpanRecord> records;
};

/// `{ begin: { time, cpu, rss? }, end, spans: [{ name, start, seconds, cpuSeconds, rssBytes?, count?, spans }] }`, in
/// seconds; `count` where it isn't 1.
Napi::Object toJs(Napi::Env env, const JobSpans& job);

}  // namespace presisi::binding
