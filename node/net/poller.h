// One thread for all of a network: it waits for every connection's events, and runs what follows.
//
// gRPC hands events to whichever thread waits for any, and wakes another to wait in its place. With
// one thread nobody is woken but by the machines' own threads, once for all that they post while it
// waits.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

namespace node {

class Poller {
 public:
  // What an operation's end runs: gRPC's tags on queue() point to these. They stay until then.
  using Tag = std::function<void(bool ok)>;
  using Work = std::function<void()>;
  using Timer = std::uint64_t;

  explicit Poller(std::unique_ptr<grpc::CompletionQueue> queue);
  ~Poller();  // Stops.

  grpc::CompletionQueue& queue() { return *queue_; }

  void Start();
  // From any thread, never blocks: the poller's thread runs it soon. In vain after Stop().
  void Post(Work work);
  // These two on the poller's thread alone.
  Timer After(std::chrono::milliseconds delay, Work work);
  void Cancel(Timer timer);
  // When no operation is begun any more; returns when all have ended. Not from its own thread;
  // again it does nothing.
  void Stop();

 private:
  using Clock = std::chrono::steady_clock;

  void Run();
  bool RunPosted();
  void RunDue();

  const std::unique_ptr<grpc::CompletionQueue> queue_;
  std::map<std::pair<Clock::time_point, Timer>, Work> timers_;
  Timer last_timer_ = 0;
  bool shut_down_ = false;

  std::mutex mutex_;  // Guards what follows.
  std::vector<Work> posted_;
  bool waits_ = false;  // The thread looks at nothing posted before an event.
  bool stopped_ = true;
  bool armed_ = false;  // The alarm is on its way through the queue.
  grpc::Alarm alarm_;
  Tag woken_;

  std::thread thread_;
};

}  // namespace node
