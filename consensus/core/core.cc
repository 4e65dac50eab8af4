#include "consensus/core/core.h"

#include <algorithm>
#include <utility>

#include "consensus/commit/tusk.h"
#include "proto/base/check.h"

namespace consensus {

using proto::ErrorCode;
using proto::PartyId;
using proto::Result;

namespace {

Result<> Check(const Config& config, const proto::SecretKey& key) {
  const auto refuse = [](const char* what) {
    return proto::Fail(ErrorCode::kInvalidArgument, what);
  };
  const std::uint16_t n = config.committee.size();
  if (n < 4 || n > proto::dag::kPartiesMax) return refuse("a committee has 4 to 64 validators");
  if (config.keys.size() != n || config.coin.verification.size() != n) {
    return refuse("every validator needs a public key and a coin key");
  }
  if (config.coin.threshold < config.committee.validity() ||
      config.coin.threshold > config.committee.quorum()) {
    return refuse("the coin's threshold must lie between f + 1 and n - f");
  }
  if (config.gc_depth < kGcDepthMin || config.gc_depth > kGcDepthMax) {
    return refuse("gc_depth must be 4 to 1000 rounds");
  }
  if (proto::Index(config.self) >= n ||
      key.public_key() != config.keys[proto::Index(config.self)]) {
    return refuse("the secret key is not that of this validator");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Core>> Core::Open(Config config, proto::SecretKey key,
                                         proto::CoinSecret coin_secret, const Archive& archive,
                                         std::uint64_t executed_index) {
  if (auto checked = Check(config, key); !checked) return tl::unexpected(checked.error());
  Store store(config.committee, archive);
  const State state =
      store.FindState().value_or(State{0, config.commits_before, 0, config.commits_before});
  if (store.damage()) return proto::Fail(ErrorCode::kCorrupt, *store.damage());
  if (executed_index > state.commit_index) {
    return proto::Fail(ErrorCode::kCorrupt,
                       "the ledger executed commit " + std::to_string(executed_index) +
                           " but consensus knows " + std::to_string(state.commit_index) +
                           " only: its storage is an older copy and must not be used to vote");
  }
  std::unique_ptr<Core> core(new Core(std::move(config), std::move(key), std::move(coin_secret),
                                      archive, executed_index, state));
  if (auto restored = core->Restore(); !restored) return tl::unexpected(restored.error());
  return core;
}

Core::Core(Config config, proto::SecretKey key, proto::CoinSecret coin_secret,
           const Archive& archive, std::uint64_t executed_index, const State& state)
    : config_(std::move(config)),
      key_(std::move(key)),
      coin_secret_(std::move(coin_secret)),
      executed_index_(executed_index),
      store_(config_.committee, archive),
      state_(state),
      verifier_(config_),
      ballots_(config_.committee),
      dag_(config_.committee),
      coin_(config_),
      sequencer_(std::make_unique<Tusk>(config_.committee), config_.gc_depth,
                 state.last_leader_round, state.commit_index),
      backlog_(config_),
      catch_up_(config_),
      server_(config_, store_),
      payload_(store_),
      finality_(config_, store_) {}

Result<> Core::Restore() {
  const std::uint64_t gc = sequencer_.gc_round();
  dag_.Collect(gc);
  coin_.Collect(state_.last_leader_round);
  // A vertex above gc was ordered by a leader above gc.
  std::set<Reference> ordered;
  for (std::uint64_t index = state_.commit_index; index > state_.pruned_commit; --index) {
    const auto record = store_.FindCommit(index);
    if (!record || record->round <= gc) break;
    ordered.insert(record->vertices.begin(), record->vertices.end());
  }
  // Vertices are stored in an order in which each round has parents: no round is skipped.
  for (std::uint64_t round = gc + 1; round == dag_.highest_round() + 1; ++round) {
    for (std::uint16_t i = 0; i < config_.committee.size(); ++i) {
      auto stored = store_.FindCertificate(round, static_cast<PartyId>(i));
      if (!stored) continue;
      const auto certificate = std::make_shared<const Certificate>(std::move(*stored));
      const Header& header = certificate->header;
      if (!NeedsOf(certificate).empty()) {
        return proto::Fail(ErrorCode::kCorrupt, "a certificate or batch of round " +
                                                    std::to_string(round - 1) +
                                                    " or before is missing in storage");
      }
      const bool is_ordered = ordered.count(header.reference()) == 1;
      dag_.Insert(certificate, is_ordered);
      coin_.Add(header);
      if (is_ordered) sequencer_.Remember(header);
    }
  }
  if (auto record = store_.FindCommit(state_.commit_index); record && record->vertices.empty()) {
    base_ = std::move(*record);
  }
  observing_ = store_.FindObserver();
  finality_.Restore(executed_index_, state_.commit_index);
  payload_.Restore(store_.FindOwn().value_or(Own{}));
  if (store_.damage()) return proto::Fail(ErrorCode::kCorrupt, *store_.damage());
  return {};
}

Step Core::Start() {
  Step step;
  if (auto reason = store_.FindHalt()) {
    halted_ = true;
    step.outputs.emplace_back(Halt{std::move(*reason)});
    return step;
  }
  for (std::uint64_t index = executed_index_ + 1; index <= state_.commit_index; ++index) {
    const auto record = store_.FindCommit(index);
    if (!record) {
      HaltBecause("commit " + std::to_string(index) + " is missing in storage", step);
      return Finish(std::move(step));
    }
    Deliver(index, *record, step);
  }
  const auto& own = payload_.header();
  if (own && own->round > dag_.gc_round() && !dag_.Find(own->round, config_.self)) {
    verifier_.Trust(*own);
    ballots_.Open(*own);
    step.Send(proto::kEveryone, *own);
  }
  catch_up_.Begin(config_.self);
  return Finish(std::move(step));
}

Step Core::Speak() {
  Step step;
  silent_ = false;
  if (halted_ || observing_) return step;
  for (const auto& [place, header] : std::map(seen_)) Consider(header.author, header, step);
  return Finish(std::move(step));
}

Step Core::Observe(std::string reason) {
  Step step;
  if (!observing_) {
    store_.PutObserver(reason);
    store_.Sync();
    observing_ = std::move(reason);
  }
  return Finish(std::move(step));
}

std::optional<Header> Core::NewestHeaderOf(PartyId party) {
  std::optional<Header> newest = store_.FindWord(party);
  const auto offer = [&](const Header& header) {
    if (!newest || newest->round < header.round) newest = header;
  };
  for (const auto& [place, header] : seen_) {
    if (header.author == party) offer(header);
  }
  for (std::uint64_t round = dag_.highest_round(); round > dag_.gc_round(); --round) {
    const auto certificate = dag_.Find(round, party);
    if (!certificate) continue;
    offer(certificate->header);
    break;
  }
  return newest;
}

Result<Step> Core::Submit(std::vector<proto::Bytes> transactions) {
  Step step;
  if (halted_) return proto::Fail(ErrorCode::kUnavailable, "consensus has halted");
  auto sealed = payload_.Submit(std::move(transactions));
  if (!sealed) return tl::unexpected(sealed.error());
  for (auto& batch : *sealed) step.Send(proto::kEveryone, std::move(batch));
  return Finish(std::move(step));
}

Step Core::Handle(PartyId from, Message message) {
  CHECK(proto::Index(from) < config_.committee.size());
  Step step;
  if (halted_) return step;
  std::visit([&](auto& content) { On(from, std::move(content), step); }, message);
  return Finish(std::move(step));
}

Step Core::Tick() {
  Step step;
  if (halted_) return step;
  tick_due_ = true;
  patience_.Tick();
  server_.Tick();
  catch_up_.Tick();
  backlog_.Ask(true, step);
  if (const Header* const own = ballots_.newest(); own && ++resend_age_ >= kResendTicks) {
    resend_age_ = 0;
    for (std::uint16_t i = 0; i < config_.committee.size(); ++i) {
      const auto party = static_cast<PartyId>(i);
      if (!ballots_.HasVoted(party)) step.Send({party}, *own);
    }
  }
  return Finish(std::move(step));
}

Step Core::PeerConnected(PartyId peer) {
  Step step;
  if (halted_) return step;
  // Whatever else the peer lacks, these name.
  for (std::uint64_t round = dag_.highest_round(); round > dag_.gc_round(); --round) {
    if (const auto certificate = dag_.Find(round, config_.self)) {
      step.Send({peer}, *certificate);
      break;
    }
  }
  if (const Header* const own = ballots_.newest()) step.Send({peer}, *own);
  catch_up_.PeerConnected(peer);
  backlog_.PeerConnected(peer);
  return Finish(std::move(step));
}

Step Core::SignBlock(std::uint64_t index, const proto::Digest& block) {
  Step step;
  if (halted_) return step;
  CHECK(index <= state_.commit_index);
  if (!finality_.Sign(index, block, key_)) {
    HaltBecause("this node made two different blocks of commit " + std::to_string(index), step);
  }
  return Finish(std::move(step));
}

Step Core::Finish(Step step) {
  if (!halted_) {
    Order(step);
    Settle(step);
    Propose(step);
    catch_up_.Continue(std::max(dag_.gc_round() + 1, dag_.quorum_round()), dag_.highest_round(),
                       step);
  }
  if (store_.damage() && !halted_) HaltBecause("storage is damaged: " + *store_.damage(), step);
  store_.Flush(step);
  return step;
}

bool Core::has_pending() const {
  return !payload_.empty() || dag_.unordered_payloads() > 0 || catch_up_.active() ||
         !backlog_.empty() || payload_round_ > sequencer_.last_leader_round() ||
         payload_commit_ > finality_.finalized_index();
}

Status Core::status() const {
  Status status;
  status.highest_round = dag_.highest_round();
  status.own_round = payload_.header() ? payload_.header()->round : 0;
  status.gc_round = dag_.gc_round();
  status.commit_index = sequencer_.index();
  status.last_leader_round = sequencer_.last_leader_round();
  status.finalized_index = finality_.finalized_index();
  status.catching_up = catch_up_.active();
  status.silent = silent_ || observing_;
  status.halted = halted_;
  status.signature_checks = verifier_.signature_checks();
  status.share_checks = verifier_.share_checks();
  status.vertices = dag_.size();
  status.parked = backlog_.size();
  return status;
}

}  // namespace consensus
