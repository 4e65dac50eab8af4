// One member of a bench's committee: the process that runs mpc::Attempt and mpc::Session, and what
// it says to the ledger that its parent plays.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "mpc/party.h"
#include "mpc/plan/plan.h"
#include "mpc/preprocessing/layers.h"
#include "node/cli/bench_committee.h"
#include "node/cli/bench_link.h"
#include "proto/base/check.h"
#include "proto/crypto/hash.h"

namespace node {

inline constexpr int kBenchTickMs = 1000;  // Patience for machines that do other things, too.
inline constexpr std::uint64_t kBenchEpoch = 1;

enum BenchChannel : std::uint8_t { kAttemptChannel, kSessionChannel, kLedgerChannel };

// Between a member and the ledger: a kind, a number, a digest, more.
enum class BenchWord : std::uint8_t {
  kReady,        // member: it may begin
  kBegin,        // ledger: attempt `number` of a segment (SegmentBytes)
  kCertificate,  // member: layer `number` with the root
  kFixed,        // ledger: the same
  kVerdict,      // member: `number` is 1 for pass; ledger: 1 for certified
  kBundle,       // member: its shares of the client's masks
  kOnline,       // ledger: the masked tokens
  kInput,        // member: the input is on wires
  kFinished,     // member: its output shares
  kStop,         // ledger: report
  kReport,       // member: its figures
};

struct BenchMessage {
  BenchWord word{};
  std::uint64_t number = 0;
  proto::Digest digest;
  proto::Bytes rest;

  proto::Bytes Encode() const {
    proto::Bytes bytes{static_cast<std::uint8_t>(word)};
    proto::PutU64(bytes, number);
    bytes.insert(bytes.end(), digest.bytes.begin(), digest.bytes.end());
    bytes.insert(bytes.end(), rest.begin(), rest.end());
    return bytes;
  }
  static BenchMessage Decode(const proto::Bytes& bytes) {
    constexpr std::size_t kHead = 1 + 8 + 32;
    CHECK(bytes.size() >= kHead);
    BenchMessage message;
    message.word = static_cast<BenchWord>(bytes[0]);
    message.number = proto::GetU64(proto::ByteSpan(bytes).subspan(1).first(8));
    std::copy_n(bytes.begin() + 9, 32, message.digest.bytes.begin());
    message.rest.assign(bytes.begin() + kHead, bytes.end());
    return message;
  }
};

// Keys of all members, from a dealer.
struct BenchKeys {
  explicit BenchKeys(std::uint16_t n) : committee(n), sets(committee) {
    const auto seed = [](std::uint64_t purpose) {
      return proto::Hasher("waxseal/bench").Add(purpose).Finish();
    };
    replicated = DealReplicatedKeys(sets, seed(0).span());
    strangers = DealReplicatedKeys(sets, seed(1).span());
    coin = proto::DealCoin(committee, committee.validity(), seed(2).span());
    for (std::uint16_t i = 0; i < n; ++i) {
      secrets.push_back(std::move(*proto::SecretKey::From(seed(16u + i).span())));
      publics.push_back(secrets.back().public_key());
    }
  }
  mpc::PartyContext Context(std::uint16_t i, bool liar) const {
    const auto& own = liar ? strangers : replicated;
    return {committee,       proto::PartyId{i}, &secrets[i], publics,
            proto::Digest{}, kBenchEpoch,       &sets,       &own[i],
            coin.public_key, &coin.secrets[i]};
  }

  proto::Committee committee;
  mpc::ReplicatedSets sets;
  std::vector<mpc::ReplicatedKeys> replicated;
  std::vector<mpc::ReplicatedKeys> strangers;  // Another committee's: what a liar uses.
  proto::CoinKeys coin;
  std::vector<proto::SecretKey> secrets;
  std::vector<proto::PublicKey> publics;
};

proto::Bytes SegmentBytes(const mpc::Segment& segment);

// Waits until something can be done on a link, a message is due, or the time is up.
void WaitFor(const std::vector<BenchLink*>& links, int timeout_ms);

// A member until the ledger lets it go.
void RunMember(mpc::PartyContext context, std::shared_ptr<const mpc::Plan> plan,
               const CommitteeOptions& options, std::map<std::uint16_t, BenchLink> peers,
               BenchLink ledger);

}  // namespace node
