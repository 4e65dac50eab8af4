#include "node/cli/bench_committee.h"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <deque>
#include <functional>
#include <map>
#include <utility>

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mpc/online/client.h"
#include "mpc/online/session.h"
#include "mpc/plan/schedule.h"
#include "mpc/preprocessing/attempt.h"
#include "node/cli/bench_link.h"
#include "node/cli/bench_member.h"
#include "proto/base/check.h"
#include "proto/base/overloaded.h"
#include "proto/crypto/hash.h"

namespace node {
namespace {

using proto::Bytes;
using proto::ErrorCode;
using proto::Fail;
using proto::PartyId;

using Word = BenchWord;

constexpr std::uint64_t kBundlesMax = 64;
// Attempts are numbered from multiples of this, a prime: kings and senders change with the bundle.
constexpr std::uint64_t kSegmentsMax = 1021;
// The longest that a committee may say nothing to the ledger.
constexpr int kPatienceMs = 600'000;

// The parent: ledger and client.
class Ledger {
 public:
  Ledger(const BenchKeys& keys, std::shared_ptr<const mpc::Plan> plan,
         const std::vector<std::uint32_t>& ids, const CommitteeOptions& options,
         std::vector<BenchLink> members)
      : keys_(keys),
        plan_(std::move(plan)),
        ids_(ids),
        options_(options),
        members_(std::move(members)) {
    figures_.members.resize(members_.size());
  }

  proto::Result<CommitteeFigures> Run() {
    if (auto done = Preprocess(); !done) return tl::unexpected(done.error());
    if (auto done = Online(); !done) return tl::unexpected(done.error());
    Tell(Word::kStop, 0);
    std::size_t reports = 0;
    auto done = Listen([&](std::uint16_t from, const BenchMessage& message) {
      if (message.word == Word::kReport) {
        TakeReport(from, message);
        ++reports;
      }
      return reports == members_.size();
    });
    if (!done) return tl::unexpected(done.error());
    return std::move(figures_);
  }

 private:
  void Tell(Word word, std::uint64_t number, proto::Digest digest = {}, Bytes rest = {}) {
    const auto body =
        std::make_shared<Bytes>(BenchMessage{word, number, digest, std::move(rest)}.Encode());
    for (BenchLink& member : members_) {
      member.Send(kLedgerChannel, body, options_.delay_ms * 1'000'000ull);
    }
  }

  // Hands on what members say until `on` is satisfied.
  proto::Result<> Listen(std::function<bool(std::uint16_t, const BenchMessage&)> on) {
    std::vector<BenchLink*> links;
    for (BenchLink& member : members_) links.push_back(&member);
    std::uint64_t heard = MonotonicNs();
    for (;;) {
      bool busy = false;
      for (std::uint16_t i = 0; i < members_.size(); ++i) {
        const bool alive = members_[i].Pump();
        while (auto message = members_[i].Take()) {
          busy = true;
          if (on(i, BenchMessage::Decode(message->body))) return {};
        }
        if (!alive) {
          return Fail(ErrorCode::kUnavailable, "member " + std::to_string(i) + " is gone");
        }
      }
      if (busy) heard = MonotonicNs();
      if (MonotonicNs() - heard > kPatienceMs * 1'000'000ull) {
        return Fail(ErrorCode::kUnavailable, "the committee makes no progress");
      }
      if (!busy) WaitFor(links, kBenchTickMs);
    }
  }

  // All segments of a bundle, one after the other; once more with other masks when one dies.
  proto::Result<> Preprocess() {
    std::size_t ready = 0;
    auto all = Listen([&](std::uint16_t, const BenchMessage& message) {
      return message.word == Word::kReady && ++ready == members_.size();
    });
    if (!all) return all;
    const std::uint64_t begin = MonotonicNs();
    bool certified = false;
    for (std::uint64_t bundle = 1; !certified; ++bundle) {
      if (bundle > kBundlesMax) return Fail(ErrorCode::kUnavailable, "no bundle was finished");
      const auto segments =
          mpc::CutPlan(*plan_, keys_.sets.count(), options_.segment_values, bundle * kSegmentsMax);
      CHECK(segments.size() < kSegmentsMax);
      figures_.segments = static_cast<std::uint32_t>(segments.size());
      figures_.layers = 0;
      certified = true;
      for (std::size_t i = 0; certified && i < segments.size(); ++i) {
        auto passed = Prepare(bundle * kSegmentsMax + i, segments[i]);
        if (!passed) return tl::unexpected(passed.error());
        certified = *passed;
      }
    }
    figures_.preprocessing_s = 1e-9 * static_cast<double>(MonotonicNs() - begin);
    return {};
  }

  // One attempt; whether it was certified.
  proto::Result<bool> Prepare(std::uint64_t attempt, const mpc::Segment& segment) {
    ++figures_.attempts;
    Tell(Word::kBegin, attempt, {}, SegmentBytes(segment));
    std::uint32_t fixed = 0;
    std::size_t pass = 0, fail = 0;
    auto judged = Listen([&](std::uint16_t, const BenchMessage& message) {
      if (message.word == Word::kCertificate && message.number == fixed) {
        ++fixed;
        Tell(Word::kFixed, message.number, message.digest);
      }
      if (message.word == Word::kVerdict) ++(message.number == 1 ? pass : fail);
      return pass >= keys_.committee.quorum() || fail >= keys_.committee.validity();
    });
    if (!judged) return tl::unexpected(judged.error());
    figures_.layers += fixed;
    const bool certified = pass >= keys_.committee.quorum();
    Tell(Word::kVerdict, certified ? 1 : 0);
    if (!certified) return false;
    mpc::RobustDecoder masks(keys_.committee, plan_->tokens + plan_->ops.back().size());
    std::size_t bundles = 0;
    auto done = Listen([&](std::uint16_t from, const BenchMessage& message) {
      if (message.word != Word::kBundle) return false;
      if (!message.rest.empty()) {
        auto shares = mpc::DecodeElements(message.rest);
        CHECK(shares.has_value());
        masks.Add(PartyId{from}, std::move(*shares));
      }
      return ++bundles == members_.size();
    });
    if (!done) return tl::unexpected(done.error());
    if (masks.decoded()) {
      masks_ = masks.values();
    } else if (segment.end == plan_->ops.size()) {
      return Fail(ErrorCode::kCorrupt, "the masks do not decode");
    }
    return true;
  }

  proto::Result<> Online() {
    auto masked =
        mpc::MaskTokens(ids_, std::span(masks_).first(plan_->tokens), plan_->vocabulary_padded());
    if (!masked) return tl::unexpected(masked.error());
    Bytes tokens;
    for (const std::uint32_t token : *masked) proto::PutU32(tokens, token);
    std::uint64_t begin = ~std::uint64_t{0};  // When the first member had the input.
    std::uint64_t end = 0;
    Tell(Word::kOnline, 0, {}, std::move(tokens));
    mpc::RobustDecoder outputs(keys_.committee, plan_->ops.back().size());
    std::size_t finished = 0;
    auto done = Listen([&](std::uint16_t from, const BenchMessage& message) {
      if (message.word == Word::kInput) begin = std::min(begin, message.number);
      if (message.word != Word::kFinished) return false;
      end = std::max(end, message.number);
      auto shares = mpc::DecodeElements(message.rest);
      CHECK(shares.has_value());
      outputs.Add(PartyId{from}, std::move(*shares));
      return ++finished == members_.size();
    });
    if (!done) return done;
    figures_.online_s = 1e-9 * static_cast<double>(end - begin);
    if (!outputs.decoded()) return Fail(ErrorCode::kCorrupt, "the result does not decode");
    const auto values =
        mpc::UnmaskOutput(outputs.values(), std::span(masks_).subspan(plan_->tokens));
    for (const mpc::Int128 value : values) {
      figures_.outputs.push_back(std::ldexp(static_cast<double>(value), -plan_->ops.back().frac));
    }
    return {};
  }

  void TakeReport(std::uint16_t from, const BenchMessage& message) {
    const proto::ByteSpan rest(message.rest);
    constexpr std::size_t kNumbers = 6;
    const auto number = [&](std::size_t i) { return proto::GetU64(rest.subspan(8 * i).first(8)); };
    figures_.members[from] = {1e-9 * static_cast<double>(number(0)),
                              1e-9 * static_cast<double>(number(1)),
                              number(2),
                              number(3),
                              number(4),
                              number(5)};
    figures_.rounds = static_cast<std::uint32_t>(message.number);
    for (const std::uint8_t party : rest.subspan(8 * kNumbers)) {
      if (std::ranges::count(figures_.accused, party) == 0) figures_.accused.push_back(party);
    }
  }

  const BenchKeys& keys_;
  const std::shared_ptr<const mpc::Plan> plan_;
  const std::vector<std::uint32_t>& ids_;
  const CommitteeOptions options_;
  std::vector<BenchLink> members_;
  std::vector<mpc::Fp> masks_;
  CommitteeFigures figures_;
};

struct Pair {
  int first = -1;
  int second = -1;
};

proto::Result<Pair> SocketPair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
    return Fail(ErrorCode::kUnavailable, "no sockets for a committee");
  }
  return Pair{fds[0], fds[1]};
}

// All sockets of a committee; a process keeps its own ends and closes the others.
class Wiring {
 public:
  static proto::Result<Wiring> Make(std::uint16_t n) {
    Wiring wiring;
    wiring.n_ = n;
    for (std::uint16_t i = 0; i < n; ++i) {
      for (std::uint16_t j = i; j < n; ++j) {
        auto pair = SocketPair();
        if (!pair) return tl::unexpected(pair.error());
        wiring.ends_[{i, j}] = pair->first;  // (i, i): member i's end to the ledger.
        wiring.ends_[{j, i == j ? n : i}] = pair->second;
      }
    }
    return wiring;
  }
  // The ends of one process: by the other end's process. Member i's (i, i) is the ledger's.
  std::map<std::uint16_t, BenchLink> TakeMember(std::uint16_t self) {
    std::map<std::uint16_t, BenchLink> links;
    for (const auto& [end, fd] : ends_) {
      if (end.first == self && end.second != n_) {
        links.emplace(end.second, BenchLink(fd));
      } else {
        close(fd);
      }
    }
    ends_.clear();
    return links;
  }
  std::vector<BenchLink> TakeLedger() {
    std::vector<BenchLink> links;
    for (const auto& [end, fd] : ends_) {
      if (end.second == n_) {
        links.emplace_back(fd);
      } else {
        close(fd);
      }
    }
    ends_.clear();
    return links;
  }

 private:
  std::uint16_t n_ = 0;
  std::map<std::pair<std::uint16_t, std::uint16_t>, int> ends_;
};

}  // namespace

proto::Result<CommitteeFigures> RunCommittee(std::shared_ptr<const mpc::Plan> plan,
                                             const std::vector<std::uint32_t>& ids,
                                             const CommitteeOptions& options) {
  const BenchKeys keys(options.members);
  auto wiring = Wiring::Make(options.members);
  if (!wiring) return tl::unexpected(wiring.error());
  std::vector<pid_t> children;
  for (std::uint16_t i = 0; i < options.members; ++i) {
    const pid_t child = fork();
    if (child < 0) return Fail(ErrorCode::kUnavailable, "cannot start a member's process");
    if (child == 0) {
      auto links = wiring->TakeMember(i);
      auto ledger = links.extract(i);
      const bool liar = options.lie && i + 1 == options.members;
      RunMember(keys.Context(i, liar), plan, options, std::move(links), std::move(ledger.mapped()));
      _exit(0);
    }
    children.push_back(child);
  }
  auto figures = Ledger(keys, std::move(plan), ids, options, wiring->TakeLedger()).Run();
  for (const pid_t child : children) {
    if (!figures) kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
  return figures;
}

}  // namespace node
