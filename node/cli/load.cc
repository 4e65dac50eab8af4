#include "node/cli/load.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include <nlohmann/json.hpp>

#include "node/rpc/block_reader.h"
#include "node/rpc/connection.h"
#include "node/rpc/subscriber.h"
#include "proto/wire/consensus.h"

namespace node {

using nlohmann::json;
using proto::Bytes;
using proto::ByteSpan;

namespace {

constexpr std::chrono::milliseconds kTick{10};
constexpr std::chrono::milliseconds kLook{200};
constexpr std::chrono::milliseconds kPause{20};  // After a refusal.
constexpr double kBehindSecondsMax = 2;          // Beyond it what is due is missed.
constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::size_t kSignatureField = 66;
constexpr std::size_t kTimeSize = 16;  // Time and number.

nlohmann::json ParseAnswer(const std::string& body) {
  auto json = nlohmann::json::parse(body, nullptr, false);
  return json.is_object() ? json : nlohmann::json::object();
}

}  // namespace

std::uint64_t NowNs() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::steady_clock::now().time_since_epoch())
                                        .count());
}

Transactions::Transactions(const proto::Digest& chain, std::size_t bytes,
                           std::vector<proto::SecretKey> accounts)
    : chain_(chain), bytes_(bytes), accounts_(std::move(accounts)), nonces_(accounts_.size()) {}

// Incompressible, different each time, and ending with the time.
Bytes Transactions::Data(std::size_t size, std::uint64_t time_ns) {
  Bytes data;
  data.reserve(size + 8);
  std::uint64_t state = (number_ + 1) * 0x9E3779B97F4A7C15;
  while (data.size() + kTimeSize < size) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    proto::PutU64(data, state);
  }
  data.resize(size - kTimeSize);
  proto::PutU64(data, number_++);
  proto::PutU64(data, time_ns);
  return data;
}

Bytes Transactions::Make(std::uint64_t time_ns) {
  if (accounts_.empty()) {
    Bytes bytes = Data(bytes_, time_ns);
    bytes.front() = proto::kOpaqueMark;
    return bytes;
  }
  const std::size_t account = number_ % accounts_.size();
  proto::Transaction transaction;
  transaction.chain = chain_;
  transaction.sender = accounts_[account].public_key();
  transaction.nonce = nonces_[account]++;
  const auto sign = [&](std::size_t size) {
    transaction.payload = proto::Opaque{Data(size, time_ns)};
    return proto::SignTransaction(accounts_[account], transaction);
  };
  // The frame's size depends on the nonce's; numbers of one length are a run, so it is seldom
  // guessed wrong.
  Bytes bytes = sign(bytes_ - frame_);
  if (bytes.size() != bytes_) {
    frame_ = frame_ + bytes.size() - bytes_;
    bytes = sign(bytes_ - frame_);
  }
  return bytes;
}

std::uint64_t Transactions::TimeOf(ByteSpan transaction) {
  const bool opaque = transaction.front() == proto::kOpaqueMark;
  const std::size_t behind = opaque ? 8 : kSignatureField + 8;
  return transaction.size() < behind ? 0 : proto::GetU64(transaction.last(behind));
}

Sender::Sender(std::string address, Transactions transactions, double rate)
    : address_(std::move(address)), transactions_(std::move(transactions)), rate_(rate) {}

void Sender::Run(const std::atomic<bool>& stop) {
  Connection connection(address_);
  const std::uint64_t start = NowNs();
  const auto due_at = [&](std::uint64_t number) {
    return start + static_cast<std::uint64_t>(static_cast<double>(number) / rate_ * kSecondNs);
  };
  std::vector<Bytes> batch;
  std::size_t batch_bytes = 0;
  const auto post = [&] {
    const std::size_t count = batch.size();
    const std::string body(proto::AsText(proto::dag::MakeBatch(std::exchange(batch, {})).bytes));
    batch_bytes = 0;
    while (!stop) {
      const auto answer = connection.Post("/transactions", body);
      std::uint64_t accepted = 0;
      if (answer) {
        accepted = ParseAnswer(answer->body).value("accepted", std::uint64_t{0});
        if (accepted < count) last_error_ = answer->body.substr(0, 300);
      } else {
        last_error_ = answer.error().message;
      }
      taken_ += accepted;
      if (accepted > 0) {
        missed_ += count - accepted;
        return;
      }
      // All refused: the same again, or a signed sequence would have a gap.
      if (static_cast<double>(NowNs() - start) / kSecondNs * rate_ -
              static_cast<double>(offered_.load()) >
          kBehindSecondsMax * rate_) {
        if (transactions_.opaque()) {
          missed_ += count;
          return;
        }
      }
      std::this_thread::sleep_for(kPause);
    }
  };
  while (!stop) {
    const std::uint64_t now = NowNs();
    while (due_at(offered_) <= now && !stop) {
      const std::uint64_t due = due_at(offered_);
      offered_ += 1;
      if (now - due > static_cast<std::uint64_t>(kBehindSecondsMax * kSecondNs)) {
        missed_ += 1;
        continue;
      }
      Bytes transaction = transactions_.Make(due);
      const std::size_t size = transaction.size() + proto::dag::kTransactionOverheadMax;
      if (batch_bytes + size > proto::dag::kBatchBytesMax) post();
      batch_bytes += size;
      batch.push_back(std::move(transaction));
    }
    if (!batch.empty()) post();
    std::this_thread::sleep_until(
        std::chrono::steady_clock::time_point(std::chrono::nanoseconds(now) + kTick));
  }
}

// Is told of each block, so that looking costs an idle network nothing.
void Observer::Run(const std::atomic<bool>& stop) {
  Connection connection(address_);
  std::optional<Subscriber> subscriber;
  std::uint64_t next = 1;
  std::uint64_t next_proven = 1;
  while (!stop) {
    if (!subscriber || !subscriber->is_open()) {
      auto dialled = Subscriber::Dial(address_);
      const auto told = dialled ? dialled->Subscribe("status", json::object())
                                : proto::Result<std::uint64_t>(tl::unexpected(dialled.error()));
      if (!told) {
        last_error_ = told.error().message;
        std::this_thread::sleep_for(kPause);
        continue;
      }
      subscriber.emplace(*std::move(dialled));
    }
    const auto event = subscriber->Next(kLook);
    const std::uint64_t seen = NowNs();
    if (!event) continue;
    const json status = event->value("answer", json::object());
    const auto height = status.value("height", std::uint64_t{0});
    const auto proven = status.value("proven_height", std::uint64_t{0});
    for (; next <= height && !stop; ++next) {
      const auto page = connection.Get("/blocks/" + std::to_string(next));
      if (!page || page->status != 200) {
        last_error_ = page ? page->body.substr(0, 300) : page.error().message;
        break;
      }
      Read(proto::AsBytes(page->body), next, seen);
    }
    for (; next_proven <= proven && next_proven < next; ++next_proven) {
      for (const std::uint64_t sent : unproven_[next_proven]) {
        finalized_.push_back({seen, seen - sent});
      }
      unproven_.erase(next_proven);
    }
  }
}

void Observer::Read(ByteSpan page, std::uint64_t height, std::uint64_t seen_ns) {
  BlockParts parts;
  for (Bytes& part : parts) {
    if (page.size() < 8) return;
    const std::uint64_t size = proto::GetU64(page);
    page = page.subspan(8);
    if (size > page.size()) return;
    part.assign(page.begin(), page.begin() + static_cast<std::ptrdiff_t>(size));
    page = page.subspan(size);
  }
  const auto block = DecodeBlockParts(parts);
  if (!block) {
    last_error_ = block.error().message;
    return;
  }
  std::vector<std::uint64_t>& times = unproven_[height];
  for (std::size_t i = 0; i < block->transactions.size() && i < block->receipts.size(); ++i) {
    if (block->receipts[i].code != proto::ReceiptCode::kDone) {
      ++failed_;
      last_error_ = block->receipts[i].message;
      continue;
    }
    const std::uint64_t sent = Transactions::TimeOf(block->transactions[i]);
    if (sent == 0 || sent > seen_ns) continue;
    executed_.push_back({seen_ns, seen_ns - sent});
    times.push_back(sent);
  }
}

}  // namespace node
