#include "spans.hpp"

namespace presisi::binding {

namespace {

double seconds(int64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e9; }

Napi::Object toJs(Napi::Env env, const SpanRecord::Mark& mark) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("time", seconds(mark.time));
  object.Set("cpu", seconds(mark.cpu));
  if (mark.rss > 0) object.Set("rss", static_cast<double>(mark.rss));
  return object;
}

/// Takes the records of one depth, and what belongs to them, from `next` on.
Napi::Array takeLevel(Napi::Env env, const std::vector<SpanRecord>& records, int depth, size_t& next) {
  Napi::Array level = Napi::Array::New(env);
  while (next < records.size() && records[next].depth == depth) {
    const SpanRecord& record = records[next++];
    Napi::Object span = Napi::Object::New(env);
    span.Set("name", record.name);
    span.Set("start", seconds(record.begin.time));
    span.Set("seconds", seconds(record.time));
    span.Set("cpuSeconds", seconds(record.cpu));
    if (record.rss > 0) span.Set("rssBytes", static_cast<double>(record.rss));
    if (record.count != 1) span.Set("count", static_cast<double>(record.count));
    span.Set("spans", takeLevel(env, records, depth + 1, next));
    level.Set(level.Length(), span);
  }
  return level;
}

}  // namespace

Napi::Object toJs(Napi::Env env, const JobSpans& job) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("begin", toJs(env, job.begin));
  object.Set("end", toJs(env, job.end));
  size_t next = 0;
  object.Set("spans", takeLevel(env, job.records, 0, next));
  return object;
}

}  // namespace presisi::binding
