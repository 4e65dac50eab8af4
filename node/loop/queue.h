// A queue between threads: many producers, one consumer that takes everything at once.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

namespace node {

template <class T>
class Queue {
 public:
  // Beyond `weight_max` PushWait waits; Push never does (for the node's own threads, which must not
  // wait for each other).
  explicit Queue(std::size_t weight_max) : weight_max_(weight_max) {}

  void Push(T item, std::size_t weight = 1) {
    {
      const std::lock_guard lock(mutex_);
      Add(std::move(item), weight);
    }
    filled_.notify_one();  // Outside: who wakes does not meet the lock.
  }

  // For producers that may be held back: the interfaces' threads. False once closed.
  bool PushWait(T item, std::size_t weight) {
    {
      std::unique_lock lock(mutex_);
      space_.wait(lock, [&] { return closed_ || weight_ < weight_max_; });
      if (closed_) return false;
      Add(std::move(item), weight);
    }
    filled_.notify_one();
    return true;
  }

  // For producers that may not wait: those who find no room come again.
  bool has_room() {
    const std::lock_guard lock(mutex_);
    return closed_ || weight_ < weight_max_;
  }

  // Everything there is; waits until `deadline` while there is nothing.
  std::vector<T> Take(std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    filled_.wait_until(lock, deadline, [&] { return closed_ || !items_.empty(); });
    if (weight_ >= weight_max_) space_.notify_all();
    weight_ = 0;
    return std::exchange(items_, {});
  }

  void Close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    filled_.notify_all();
    space_.notify_all();
  }

 private:
  void Add(T item, std::size_t weight) {
    items_.push_back(std::move(item));
    weight_ += weight;
  }

  const std::size_t weight_max_;
  std::mutex mutex_;
  std::condition_variable filled_;
  std::condition_variable space_;
  std::vector<T> items_;
  std::size_t weight_ = 0;
  bool closed_ = false;
};

}  // namespace node
