// An open-loop load on the ledger, and what became of it.
//
// Each sender offers transactions at fixed instants, whether or not the network keeps up: a
// transaction carries the instant it was due, so time spent waiting behind a slow answer counts
// (no coordinated omission). What could not be handed over is missed, and said so.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/crypto/signature.h"
#include "proto/wire/ledger.h"

namespace node {

inline constexpr std::size_t kLoadTransactionBytesMin = 256;  // A signed one's frame fits.

std::uint64_t NowNs();  // Monotonic.

// Makes transactions of exactly `bytes` bytes with a time and a number inside.
class Transactions {
 public:
  // `accounts`: signs with them in turn; opaque and unsigned if there are none.
  Transactions(const proto::Digest& chain, std::size_t bytes,
               std::vector<proto::SecretKey> accounts);

  bool opaque() const { return accounts_.empty(); }
  proto::Bytes Make(std::uint64_t time_ns);
  static std::uint64_t TimeOf(proto::ByteSpan transaction);

 private:
  proto::Bytes Data(std::size_t size, std::uint64_t time_ns);

  proto::Digest chain_;
  std::size_t bytes_;
  std::vector<proto::SecretKey> accounts_;
  std::size_t frame_ = 150;  // What is not data in a signed one.
  std::vector<std::uint64_t> nonces_;
  std::uint64_t number_ = 0;
};

// Offers `rate` transactions a second to one validator, until told to stop.
class Sender {
 public:
  struct Counts {
    std::uint64_t offered = 0;  // Due.
    std::uint64_t taken = 0;    // Acknowledged by the validator.
    std::uint64_t missed = 0;   // Given up: the validator was full, or too far behind.
  };

  Sender(std::string address, Transactions transactions, double rate);

  void Run(const std::atomic<bool>& stop);
  Counts counts() const { return {offered_, taken_, missed_}; }
  const std::string& last_error() const { return last_error_; }  // After Run.

 private:
  const std::string address_;
  Transactions transactions_;
  const double rate_;
  std::atomic<std::uint64_t> offered_ = 0;
  std::atomic<std::uint64_t> taken_ = 0;
  std::atomic<std::uint64_t> missed_ = 0;
  std::string last_error_;
};

// Follows one validator's blocks as a client would, by asking.
class Observer {
 public:
  struct Executed {
    std::uint64_t time_ns = 0;  // When the block was seen here.
    std::uint64_t latency_ns = 0;
  };

  explicit Observer(std::string address) : address_(std::move(address)) {}

  void Run(const std::atomic<bool>& stop);

  // After Run: what was executed, when it was seen, and when it was seen signed by n - f.
  const std::vector<Executed>& executed() const { return executed_; }
  const std::vector<Executed>& finalized() const { return finalized_; }
  std::uint64_t failed() const { return failed_; }  // Receipts other than done.
  const std::string& last_error() const { return last_error_; }

 private:
  void Read(proto::ByteSpan page, std::uint64_t height, std::uint64_t seen_ns);

  const std::string address_;
  std::vector<Executed> executed_;
  std::vector<Executed> finalized_;
  std::map<std::uint64_t, std::vector<std::uint64_t>> unproven_;  // Times within, by height.
  std::uint64_t failed_ = 0;
  std::string last_error_;
};

}  // namespace node
