#include "executor.hpp"

#include <pthread.h>

#include <algorithm>
#include <thread>
#include <utility>

namespace presisi::binding {

namespace {

const char* nameOf(Lane lane) {
  switch (lane) {
    case Lane::Work: return "presisi-work";
    case Lane::Run: return "presisi-run";
    case Lane::Sensors: return "presisi-sensors";
  }
  return "presisi";
}

}  // namespace

Executor& Executor::instance() {
  static Executor& executor = *std::make_unique<Executor>().release();
  return executor;
}

void Executor::post(Lane lane, std::shared_ptr<Task> task) {
  Queue& queue = queues_[static_cast<size_t>(lane)];
  {
    const std::lock_guard<std::mutex> lock(queue.mutex);
    if (!queue.started) {
      std::thread(serve, std::ref(queue), nameOf(lane)).detach();
      queue.started = true;
    }
    queue.tasks.push_back(std::move(task));
  }
  queue.ready.notify_one();
}

bool Executor::withdraw(Lane lane, const Task& task) {
  Queue& queue = queues_[static_cast<size_t>(lane)];
  const std::lock_guard<std::mutex> lock(queue.mutex);
  const auto found = std::find_if(queue.tasks.begin(), queue.tasks.end(),
                                  [&](const std::shared_ptr<Task>& queued) { return queued.get() == &task; });
  if (found == queue.tasks.end()) return false;
  queue.tasks.erase(found);
  return true;
}

void Executor::serve(Queue& queue, const char* name) {
#if defined(__linux__)
  pthread_setname_np(pthread_self(), name);
#else
  (void)name;
#endif
  for (;;) {
    std::shared_ptr<Task> task;
    {
      std::unique_lock<std::mutex> lock(queue.mutex);
      queue.ready.wait(lock, [&] { return !queue.tasks.empty(); });
      task = std::move(queue.tasks.front());
      queue.tasks.pop_front();
    }
    task->execute();
  }
}

}  // namespace presisi::binding
