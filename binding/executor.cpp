#include "executor.hpp"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <future>
#include <system_error>
#include <thread>
#include <utility>

namespace presisi::binding {

namespace {

const char* nameOf(Lane lane) {
  switch (lane) {
    case Lane::Work: return "presisi-work";
    case Lane::Run: return "presisi-run";
    case Lane::Sensors: return "presisi-sensors";
    case Lane::Pictures: return "presisi-picture";
  }
  return "presisi";
}

/// How much less of a claim to a processor decoding has, in the units of nice(2): about a tenth.
constexpr int kPicturesNice = 10;

unsigned threadsOf(Lane lane) {
  static const unsigned processors = std::max(1U, std::thread::hardware_concurrency());
  return lane == Lane::Pictures ? processors : 1;
}

}  // namespace

Executor& Executor::instance() {
  static Executor& executor = *std::make_unique<Executor>().release();
  return executor;
}

template <typename Put>
void Executor::put(Lane lane, const Put& put) {
  Queue& queue = queues_[static_cast<size_t>(lane)];
  {
    const std::lock_guard<std::mutex> lock(queue.mutex);
    // One more for each task until all are there, or no more can be had.
    if (queue.threads < threadsOf(lane)) {
      try {
        std::thread(serve, std::ref(queue), lane).detach();
        ++queue.threads;
      } catch (const std::system_error&) {
        if (queue.threads == 0) throw;
      }
    }
    put(queue.tasks);
  }
  queue.ready.notify_one();
}

void Executor::post(Lane lane, std::shared_ptr<Task> task) {
  put(lane, [&](auto& tasks) { tasks.push_back(std::move(task)); });
}

void Executor::interpose(Lane lane, std::shared_ptr<Task> task) {
  struct Announced final : Task {
    explicit Announced(std::shared_ptr<Task> announced) : task(std::move(announced)) {}
    void execute() noexcept override {
      task->execute();
      task.reset();
      done.set_value();
    }
    std::shared_ptr<Task> task;
    std::promise<void> done;
  };
  const auto announced = std::make_shared<Announced>(std::move(task));
  put(lane, [&](auto& tasks) { tasks.push_front(announced); });
  announced->done.get_future().wait();
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

void Executor::serve(Queue& queue, Lane lane) {
#if defined(__linux__)
  pthread_setname_np(pthread_self(), nameOf(lane));
  // Linux has a priority for each thread; 0 is this one.
  if (lane == Lane::Pictures) setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + kPicturesNice);
#else
  (void)lane;
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
