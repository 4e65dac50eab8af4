#include "node/loop/checkers.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

namespace node {

namespace {

constexpr std::chrono::seconds kPoll{1};

std::size_t BytesOf(const std::vector<proto::Bytes>& transactions) {
  std::size_t bytes = 0;
  for (const auto& transaction : transactions) bytes += transaction.size();
  return bytes;
}

}  // namespace

Checkers::Checkers(Check check, Done done) : check_(std::move(check)), done_(std::move(done)) {
  const unsigned count = std::clamp(std::thread::hardware_concurrency(), 1u, kCheckThreadsMax);
  for (unsigned i = 0; i < count; ++i) {
    queues_.push_back(std::make_unique<Queue<Transactions>>(kUncheckedBytesMax));
  }
  for (unsigned i = 0; i < count; ++i) {
    threads_.emplace_back([this, i] { Run(*queues_[i]); });
  }
}

Checkers::~Checkers() {
  Stop();
}

// What carries no signature costs no more to check when it is executed.
void Checkers::Add(const Transactions& transactions) {
  Transactions to_check;
  std::ranges::copy_if(transactions, std::back_inserter(to_check), [](const proto::Bytes& bytes) {
    return !bytes.empty() && bytes.front() != proto::kOpaqueMark;
  });
  const std::size_t bytes = BytesOf(to_check);
  if (to_check.empty() || waiting_bytes_ + bytes > kUncheckedBytesMax) return;
  waiting_bytes_ += bytes;
  queues_[next_++ % queues_.size()]->Push(std::move(to_check));
}

void Checkers::Run(Queue<Transactions>& queue) {
  while (!stopping_) {
    for (Transactions& transactions : queue.Take(std::chrono::steady_clock::now() + kPoll)) {
      if (stopping_) return;
      const std::size_t bytes = BytesOf(transactions);
      std::vector<proto::CheckedTransaction> checked;
      checked.reserve(transactions.size());
      for (proto::Bytes& transaction : transactions) {
        checked.push_back(check_(std::move(transaction)));
      }
      waiting_bytes_ -= bytes;
      done_(std::move(checked));
    }
  }
}

void Checkers::Stop() {
  stopping_ = true;
  for (const auto& queue : queues_) queue->Close();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

}  // namespace node
