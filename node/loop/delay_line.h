// Holds messages back for a fixed time, in order: a slow network on one machine, for benchmarks.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace node {

class DelayLine {
 public:
  explicit DelayLine(std::chrono::milliseconds delay);
  ~DelayLine();  // Stops.

  // Runs `deliver` on the line's thread, `delay` from now. It may wait, and holds up those behind.
  void Push(std::function<void()> deliver);
  // What is still held back is lost.
  void Stop();

 private:
  using Clock = std::chrono::steady_clock;

  void Run();

  const std::chrono::milliseconds delay_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<Clock::time_point, std::function<void()>>> held_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace node
