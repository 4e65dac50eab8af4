#include "node/net/poller.h"

#include <algorithm>

#include "proto/base/check.h"

namespace node {

namespace {

// How long the thread waits at most; only timers need an end.
constexpr std::chrono::seconds kPause{3600};

gpr_timespec In(std::chrono::nanoseconds pause) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(std::max<std::int64_t>(pause.count(), 0), GPR_TIMESPAN));
}

}  // namespace

Poller::Poller(std::unique_ptr<grpc::CompletionQueue> queue) : queue_(std::move(queue)) {
  woken_ = [this](bool) {
    const std::lock_guard lock(mutex_);
    armed_ = false;
  };
}

Poller::~Poller() {
  Stop();
}

void Poller::Start() {
  CHECK(!thread_.joinable());
  {
    const std::lock_guard lock(mutex_);
    stopped_ = false;
  }
  thread_ = std::thread([this] { Run(); });
}

void Poller::Post(Work work) {
  const std::lock_guard lock(mutex_);
  posted_.push_back(std::move(work));
  if (!waits_ || armed_ || stopped_) return;
  armed_ = true;
  // Of the past, so that it is over at once: else gRPC's timer thread would end it.
  alarm_.Set(queue_.get(), gpr_inf_past(GPR_CLOCK_MONOTONIC), &woken_);
}

Poller::Timer Poller::After(std::chrono::milliseconds delay, Work work) {
  timers_.emplace(std::pair(Clock::now() + delay, ++last_timer_), std::move(work));
  return last_timer_;
}

void Poller::Cancel(Timer timer) {
  std::erase_if(timers_, [&](const auto& entry) { return entry.first.second == timer; });
}

void Poller::Stop() {
  if (std::exchange(shut_down_, true)) return;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  queue_->Shutdown();
  if (thread_.joinable()) {
    thread_.join();
    return;
  }
  // Never started: what was begun ends unseen.
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) {
  }
}

// True: nothing is left, and Post() wakes from now on.
bool Poller::RunPosted() {
  std::vector<Work> work;
  {
    const std::lock_guard lock(mutex_);
    waits_ = posted_.empty();
    if (waits_) return true;
    work.swap(posted_);
  }
  for (const Work& one : work) one();
  return false;
}

void Poller::RunDue() {
  while (!timers_.empty() && timers_.begin()->first.first <= Clock::now()) {
    const Work work = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    work();
  }
}

void Poller::Run() {
  for (;;) {
    RunDue();
    while (!RunPosted()) {
    }
    const auto pause = timers_.empty() ? std::chrono::nanoseconds(kPause)
                                       : timers_.begin()->first.first - Clock::now();
    void* tag = nullptr;
    bool ok = false;
    const auto status = queue_->AsyncNext(&tag, &ok, In(pause));
    {
      const std::lock_guard lock(mutex_);
      waits_ = false;
    }
    if (status == grpc::CompletionQueue::SHUTDOWN) return;
    if (status == grpc::CompletionQueue::GOT_EVENT) (*static_cast<Tag*>(tag))(ok);
  }
}

}  // namespace node
