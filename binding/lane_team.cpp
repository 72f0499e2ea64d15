#include "lane_team.hpp"

#include <utility>

#include "executor.hpp"
#include "handles.hpp"

namespace presisi::binding {

namespace {

struct Rest final : Task {
  explicit Rest(std::shared_ptr<LoadedEngine> kept) : engine(std::move(kept)) {}
  void execute() noexcept override {
    if (engine->session) engine->session->rest();
  }
  std::shared_ptr<LoadedEngine> engine;
};

}  // namespace

LaneTeam& LaneTeam::instance() {
  static LaneTeam& team = *std::make_unique<LaneTeam>().release();
  return team;
}

void LaneTeam::keptFor(const std::shared_ptr<LoadedEngine>& engine) {
  const std::lock_guard<std::mutex> lock(mutex_);
  engine_ = engine;
}

void LaneTeam::rest() {
  std::shared_ptr<LoadedEngine> engine;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    engine = std::exchange(engine_, {}).lock();
  }
  if (engine) Executor::instance().interpose(Lane::Run, std::make_shared<Rest>(std::move(engine)));
}

}  // namespace presisi::binding
