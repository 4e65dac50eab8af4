// Threads that verify the signatures in peers' batches while consensus orders them.
//
// Best effort: a batch that comes when too much waits is left to the ledger's thread, which checks
// whatever it does not find checked.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "node/loop/queue.h"
#include "proto/wire/ledger.h"

namespace node {

inline constexpr unsigned kCheckThreadsMax = 8;
inline constexpr std::size_t kUncheckedBytesMax = std::size_t{16} << 20;

class Checkers {
 public:
  // Both are called from the threads.
  using Check = std::function<proto::CheckedTransaction(proto::Bytes)>;
  using Done = std::function<void(std::vector<proto::CheckedTransaction>)>;

  // As many threads as there are cores, within kCheckThreadsMax.
  Checkers(Check check, Done done);
  ~Checkers();  // Stops.

  void Add(const std::vector<proto::Bytes>& transactions);  // From any thread; never waits.
  void Stop();

 private:
  using Transactions = std::vector<proto::Bytes>;

  void Run(Queue<Transactions>& queue);

  const Check check_;
  const Done done_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::size_t> waiting_bytes_ = 0;
  std::atomic<std::size_t> next_ = 0;
  std::vector<std::unique_ptr<Queue<Transactions>>> queues_;  // One a thread.
  std::vector<std::thread> threads_;
};

}  // namespace node
