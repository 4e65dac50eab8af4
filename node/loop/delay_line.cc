#include "node/loop/delay_line.h"

namespace node {

DelayLine::DelayLine(std::chrono::milliseconds delay) : delay_(delay), thread_([this] { Run(); }) {}

DelayLine::~DelayLine() {
  Stop();
}

void DelayLine::Push(std::function<void()> deliver) {
  const std::lock_guard lock(mutex_);
  held_.emplace_back(Clock::now() + delay_, std::move(deliver));
  changed_.notify_all();
}

void DelayLine::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void DelayLine::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !held_.empty(); });
    if (stopping_) return;
    const Clock::time_point due = held_.front().first;
    if (changed_.wait_until(lock, due, [this] { return stopping_; })) return;
    const std::function<void()> deliver = std::move(held_.front().second);
    held_.pop_front();
    lock.unlock();
    deliver();
    lock.lock();
  }
}

}  // namespace node
