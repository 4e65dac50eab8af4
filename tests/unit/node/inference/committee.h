// Four members' services over one ledger, with disks in memory: pools, bundles, requests. A member
// can be killed after any write to its disk.
#pragma once

#include <cmath>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "mpc/plan/evaluate.h"
#include "node/inference/names.h"
#include "node/inference/service.h"
#include "node/store/memory.h"
#include "proto/base/check.h"
#include "proto/base/overloaded.h"
#include "proto/crypto/merkle.h"
#include "tests/unit/mpc/plan/small_plan.h"
#include "tests/unit/node/ledger/world.h"

namespace node::test {

// A disk that is gone after some writes, and comes back with what was written.
class MortalFiles : public BulkStore {
 public:
  static constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();

  proto::Result<> Put(std::string_view name, proto::ByteSpan bytes) override {
    if (!Write()) return Gone();
    return files_.Put(name, bytes);
  }
  proto::Result<> Erase(std::string_view name) override {
    if (!Write()) return Gone();
    return files_.Erase(name);
  }
  proto::Result<Bytes> Get(std::string_view name) const override { return files_.Get(name); }
  bool Has(std::string_view name) const override { return files_.Has(name); }
  proto::Result<std::vector<std::string>> List(std::string_view prefix) const override {
    return files_.List(prefix);
  }

  void DieAfter(std::size_t writes) { left_ = writes; }
  bool gone() const { return gone_; }
  void ComeBack() {
    gone_ = false;
    left_ = kNever;
  }
  std::size_t writes() const { return writes_; }

 private:
  bool Write() {
    if (left_ == 0) gone_ = true;
    if (gone_) return false;
    --left_;
    ++writes_;
    return true;
  }
  static tl::unexpected<proto::Error> Gone() {
    return proto::Fail(proto::ErrorCode::kUnavailable, "the process is dead");
  }

  MemoryFiles files_;
  std::size_t left_ = kNever;
  std::size_t writes_ = 0;
  bool gone_ = false;
};

class Committee {
 public:
  static constexpr std::uint16_t kSize = 4;

  // `segment_values`: of the segments that the plan is cut into.
  explicit Committee(std::uint32_t pool_target = 1, const mpc::Plan& plan = mpc::SmallPlan(),
                     std::uint64_t segment_values = mpc::kKeptValuesMax)
      : plan_(plan), segment_values_(segment_values), sets_(proto::Committee(kSize)) {
    const proto::CoinKeys coin =
        proto::DealCoin(ledger_.committee, ledger_.committee.validity(), MakeDigest("coin").span());
    coin_secrets_.reserve(kSize);
    for (const auto& secret : coin.secrets) coin_secrets_.push_back(secret.Clone());
    replicated_ = mpc::DealReplicatedKeys(sets_, MakeDigest("replicated").span());
    std::vector<proto::PublicKey> keys;
    for (const auto& key : ledger_.validators) keys.push_back(key.public_key());
    for (std::uint16_t i = 0; i < kSize; ++i) {
      contexts_.push_back({ledger_.committee, PartyId{i}, &ledger_.validators[i], keys,
                           ledger_.ledger.chain().id, proto::kFirstEpoch, &sets_, &replicated_[i],
                           coin.public_key, &coin_secrets_[i]});
    }
    for (std::uint16_t i = 0; i < kSize; ++i) Start(i);
    plan_bytes_ = mpc::EncodePlan(plan_);
    Register(pool_target);
  }

  test::World& ledger() { return ledger_; }
  MortalFiles& files(std::uint16_t i) { return files_[i]; }
  std::size_t deaths() const { return deaths_; }
  const std::vector<std::string>& notes() const { return notes_; }

  // Until nothing is under way and nobody has anything to say for a while.
  void Settle() {
    for (int idle = 0; idle < kIdleTicks;) {
      if (!packets_.empty() || !transactions_.empty()) {
        idle = 0;
        DeliverOne();
        continue;
      }
      ++idle;
      for (std::uint16_t i = 0; i < kSize; ++i) {
        Call(i, [&](Service& service) { return service.Tick(++now_us_); });
      }
    }
  }

  // Client 0 opens a request and submits it with the masks of its bundle; its number.
  std::uint64_t Ask(const std::vector<std::uint32_t>& ids, bool until_end = false) {
    const std::uint64_t request = ledger_.Open(model_);
    TellEvents();
    // Before its deadline, which the next bundle's many transactions would pass.
    if (ledger_.Request(request).attempt == 0) Settle();
    const std::uint64_t attempt = ledger_.Request(request).attempt;
    CHECK(attempt != 0);
    mpc::RobustDecoder decoder(ledger_.committee, plan_.tokens + plan_.ops.back().size());
    for (std::uint16_t i = 0; i < kSize; ++i) {
      auto shares = services_[i]->MaskShares(attempt);
      if (shares) decoder.Add(PartyId{i}, std::move(*shares));
    }
    CHECK(decoder.decoded() && decoder.wrong().empty());
    const std::span<const mpc::Fp> masks = decoder.values();
    auto masked = mpc::MaskTokens(ids, masks.first(plan_.tokens), plan_.vocabulary_padded());
    CHECK(masked.has_value());
    output_masks_[request] = {masks.begin() + plan_.tokens, masks.end()};
    EXPECT_EQ(ledger_.Client(0, proto::SubmitInference{request, *masked, until_end}).code,
              ReceiptCode::kDone);
    TellEvents();
    return request;
  }
  // The request is completed, with the right answer.
  void ExpectAnswer(std::uint64_t request, const std::vector<std::uint32_t>& ids) const {
    const auto record = ledger_.Request(request);
    ASSERT_EQ(record.status, proto::RequestStatus::kCompleted);
    std::vector<mpc::Fp> masked;
    for (const auto& bytes : record.output) masked.push_back(*mpc::Fp::FromBytes(bytes));
    ASSERT_EQ(masked.size(), record.steps * plan_.group());
    const std::span<const mpc::Fp> masks = output_masks_.at(request);
    const auto values = mpc::UnmaskOutput(masked, masks.first(masked.size()));
    const auto expected = mpc::EvaluateFloat(plan_, ids);
    const int frac = plan_.ops.back().frac;
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_NEAR(std::ldexp(static_cast<double>(values[i]), -frac), expected[i], 0.1);
    }
  }
  // All that a member has ever told of an answer before its request was completed.
  std::vector<AnswerStep> told_steps(std::uint16_t i, std::uint64_t request) const {
    const auto found = told_steps_.find({i, request});
    return found == told_steps_.end() ? std::vector<AnswerStep>() : found->second;
  }

 private:
  static constexpr int kIdleTicks = 60;  // More than a king's patience.
  struct Packet {
    std::uint16_t from;
    std::uint16_t to;
    InferenceMessage message;
  };

  void Register(std::uint32_t pool_target) {
    proto::Manifest manifest = ledger_.MakeManifest(0);
    const Digest digest = proto::Sha256(plan_bytes_);
    manifest.files = {{"plan.bin", digest, plan_bytes_.size()}};
    proto::Bucket& bucket = manifest.buckets[0];
    bucket.tokens = plan_.tokens;
    bucket.vocabulary_padded = static_cast<std::uint32_t>(plan_.vocabulary_padded());
    bucket.plan_digest = digest;
    bucket.outputs = static_cast<std::uint32_t>(plan_.ops.back().size());
    bucket.output_frac = plan_.ops.back().frac;
    bucket.labels = plan_.labels;
    bucket.steps = plan_.steps;
    bucket.pool_target = pool_target;
    bucket.segment_values = segment_values_;
    bucket.layers = mpc::SegmentLayers(plan_, ledger_.committee, segment_values_);
    model_ = ledger_.Register(manifest);
    TellEvents();
    // To the first member another process of its machine brings the file; it looks now and then.
    CHECK(files_[0].Put(FileName(digest), plan_bytes_).has_value());
    for (std::uint16_t i = 1; i < kSize; ++i) {
      Call(i, [&](Service& service) { return *service.AddFile(plan_bytes_, ++now_us_); });
    }
  }

  void Start(std::uint16_t i) {
    services_[i] = std::make_unique<Service>(contexts_[i], files_[i]);
    Call(i, [&](Service& service) { return service.Resume(ledger_.ledger.snapshot(), ++now_us_); });
  }

  // What a member does in one go. If its disk is gone by then, so is all it would have said.
  template <class Act>
  void Call(std::uint16_t i, Act act) {
    Service::Step step = act(*services_[i]);
    if (files_[i].gone()) return Die(i);
    RecordSteps(i);
    for (const proto::Fault& fault : step.faults) {
      ADD_FAILURE() << "member " << i << " blames " << Index(fault.party);
    }
    notes_.insert(notes_.end(), step.notes.begin(), step.notes.end());
    for (auto& payload : step.outputs) {
      transactions_.emplace_back(i, ledger_.FromValidator(i, std::move(payload)));
    }
    for (auto& [target, message] : step.messages) {
      Record(i, message);
      for (std::uint16_t to = 0; to < kSize; ++to) {
        if (target.Includes(PartyId{to})) packets_.push_back({i, to, message});
      }
    }
  }
  void Die(std::uint16_t i) {
    ++deaths_;
    std::erase_if(packets_, [&](const Packet& p) { return p.from == i || p.to == i; });
    files_[i].ComeBack();
    Start(i);
    for (std::uint16_t other = 0; other < kSize; ++other) {
      if (other == i) continue;
      const auto connect = [&](std::uint16_t a, std::uint16_t b) {
        Call(a, [&](Service& service) { return service.PeerConnected(PartyId{b}, ++now_us_); });
      };
      connect(i, other);
      connect(other, i);
    }
  }

  // No member ever tells two things about a step of an answer.
  void RecordSteps(std::uint16_t i) {
    for (const auto& [request, steps] : services_[i]->answers()) {
      std::vector<AnswerStep>& told = told_steps_[{i, request}];
      for (std::size_t step = 0; step < std::min(told.size(), steps.size()); ++step) {
        EXPECT_EQ(told[step].shares, steps[step].shares) << "two answers of member " << i;
      }
      if (steps.size() > told.size()) told = steps;
    }
  }

  // No member ever sends two openings of one exchange, nor two vectors of one layer.
  void Record(std::uint16_t from, const InferenceMessage& message) {
    if (const auto* session = std::get_if<proto::SessionMessage>(&message)) {
      const auto* opening = std::get_if<proto::Opening>(session);
      if (opening == nullptr) return;
      const auto key = std::tuple(from, opening->request, opening->exchange, opening->receiver);
      const auto [first, added] = openings_.try_emplace(key, opening->values);
      EXPECT_TRUE(added || first->second == opening->values) << "two openings of one exchange";
    }
    if (const auto* attempt = std::get_if<proto::AttemptMessage>(&message)) {
      const auto* vector = std::get_if<proto::LayerVector>(attempt);
      if (vector == nullptr) return;
      const auto key = std::tuple(from, vector->attempt, std::uint32_t{vector->layer});
      const auto [first, added] = vectors_.try_emplace(key, vector->values);
      EXPECT_TRUE(added || first->second == vector->values) << "two vectors of one layer";
    }
  }

  void DeliverOne() {
    if (!transactions_.empty()) {
      const Bytes transaction = std::move(transactions_.front().second);
      transactions_.pop_front();
      ledger_.Run({transaction});
      return TellEvents();
    }
    Packet packet = std::move(packets_.front());
    packets_.pop_front();
    Call(packet.to, [&](Service& service) {
      return service.Handle(PartyId{packet.from}, std::move(packet.message), ++now_us_);
    });
  }
  void TellEvents() {
    const std::vector<Event> events(ledger_.events.begin() + static_cast<std::ptrdiff_t>(told_),
                                    ledger_.events.end());
    told_ = ledger_.events.size();
    if (events.empty()) return;
    for (std::uint16_t i = 0; i < kSize; ++i) {
      Call(i, [&](Service& service) {
        return service.OnEvents(ledger_.ledger.snapshot(), events, ++now_us_);
      });
    }
  }

  test::World ledger_;
  const mpc::Plan plan_;
  const std::uint64_t segment_values_;
  Bytes plan_bytes_;
  const mpc::ReplicatedSets sets_;
  std::vector<mpc::ReplicatedKeys> replicated_;
  std::vector<proto::CoinSecret> coin_secrets_;
  std::vector<mpc::PartyContext> contexts_;
  Digest model_;
  MortalFiles files_[kSize];
  std::unique_ptr<Service> services_[kSize];
  std::deque<Packet> packets_;
  std::deque<std::pair<std::uint16_t, Bytes>> transactions_;
  std::map<std::tuple<std::uint16_t, std::uint64_t, std::uint32_t, std::optional<PartyId>>, Bytes>
      openings_;
  std::map<std::tuple<std::uint16_t, std::uint64_t, std::uint32_t>, Bytes> vectors_;
  std::map<std::pair<std::uint16_t, std::uint64_t>, std::vector<AnswerStep>> told_steps_;
  std::map<std::uint64_t, std::vector<mpc::Fp>> output_masks_;
  std::size_t told_ = 0;
  std::uint64_t now_us_ = 0;
  std::size_t deaths_ = 0;
  std::vector<std::string> notes_;
};

}  // namespace node::test
