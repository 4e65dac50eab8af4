// Attempts: running them, finding who spoiled a dead one, keeping bundles.
#include <algorithm>
#include <utility>

#include "node/inference/names.h"
#include "node/inference/service.h"
#include "proto/base/check.h"
#include "proto/base/overloaded.h"
#include "proto/wire/evidence.h"

namespace node {

using proto::AttemptRecord;
using proto::AttemptStatus;
using proto::Digest;
using proto::PartyId;
using proto::Result;

namespace {

bool IsLive(AttemptStatus status) {
  return status == AttemptStatus::kStarted || status == AttemptStatus::kCertified ||
         status == AttemptStatus::kAssigned;
}

}  // namespace

// A part of a bundle that is not to be used is not live either.
bool Service::IsLive(const AttemptRecord& record) const {
  if (!node::IsLive(record.status)) return false;
  const auto bundle = record.segment == 0 ? record : snapshot_->attempt(record.bundle);
  return bundle && node::IsLive(bundle->status);
}

void Service::SyncAttempt(const Snapshot& snapshot, std::uint64_t number, Step& step) {
  newest_attempt_ = std::max(newest_attempt_, number);
  const auto record = snapshot.attempt(number);
  if (!record || record->epoch != context_.epoch) return;  // Another epoch's members make it.
  if (record->status == AttemptStatus::kDead && record->culprits.empty()) {
    return StartBlame(number, *record, step);
  }
  if (!IsLive(*record)) {
    EraseAttempt(number, step);
    for (const std::uint64_t part : record->parts) SyncAttempt(snapshot, part, step);
    return;
  }
  if (files_.Has(BundleName(number))) return;
  if (SessionRuns() && postponed_ticks_ < kPostponedTicksMax) {
    postponed_.insert(number);
    return;
  }
  AttemptRun* run = nullptr;
  if (const auto it = attempts_.find(number); it != attempts_.end()) {
    run = &it->second;
  } else {
    run = StartAttempt(number, *record, step);
  }
  // Each step may end the run: look it up again.
  const auto running = [&]() -> AttemptRun* {
    const auto it = attempts_.find(number);
    return it == attempts_.end() ? nullptr : &it->second;
  };
  while (run != nullptr && run->layers_fixed < record->layers.size()) {
    const std::size_t layer = run->layers_fixed++;
    const Digest& root = record->layers[layer];
    const auto layer_number = static_cast<std::uint32_t>(layer);
    // Perhaps echoed before the restart, and fixed after it.
    proto::Bytes known;
    if (layer == run->layers_at_start) {
      known = files_.Get(LayerName(number, layer_number, root)).value_or(proto::Bytes());
    }
    EffortOf(status_.attempts, number).rounds = static_cast<std::uint32_t>(layer + 1);
    Absorb(number, run->protocol->OnLayerFixed(layer_number, root, known), step);
    run = running();
  }
  if (run != nullptr && record->status != AttemptStatus::kStarted && !run->judged) {
    run->judged = true;
    Absorb(number, run->protocol->OnVerdict(true), step);
  }
}

bool Service::SessionRuns() const {
  return std::ranges::any_of(
      requests_, [](const auto& entry) { return entry.second.session && !entry.second.finished; });
}

void Service::ResumePostponed(Step& step) {
  postponed_ticks_ = kPostponedTicksMax;  // None is postponed again on the way.
  for (const std::uint64_t number : std::exchange(postponed_, {})) {
    SyncAttempt(*snapshot_, number, step);
  }
  postponed_ticks_ = 0;
}

Service::AttemptRun* Service::StartAttempt(std::uint64_t number, const AttemptRecord& record,
                                           Step& step) {
  const auto plan = PlanOf(record.model, record.bucket);
  if (!plan) return nullptr;  // Synced again once the model's files are here.
  std::vector<proto::Bytes> known;
  while (known.size() < record.layers.size()) {
    auto values = files_.Get(
        LayerName(number, static_cast<std::uint32_t>(known.size()), record.layers[known.size()]));
    if (!values) break;
    known.push_back(std::move(*values));
  }
  AttemptRun& run = attempts_[number];
  run.model = record.model;
  run.bucket = record.bucket;
  run.layers_at_start = record.layers.size();
  const Digest plan_digest = models_.at(record.model).manifest.buckets[record.bucket].plan_digest;
  run.protocol = std::make_unique<mpc::Attempt>(
      context_, plan, plan_digest, number, std::move(known), SegmentOf(record), record.excluded);
  Absorb(number, run.protocol->Start(), step);
  for (Early& early : TakeEarly(early_attempts_, number)) {
    HandleAttempt(early.from, std::move(std::get<proto::AttemptMessage>(early.message)), step);
  }
  const auto it = attempts_.find(number);
  return it == attempts_.end() ? nullptr : &it->second;
}

// Only the ledger's word that the attempt is dead, for good, lets its keys out.
void Service::StartBlame(std::uint64_t number, const AttemptRecord& record, Step& step) {
  CHECK(record.status == AttemptStatus::kDead);
  attempts_.erase(number);
  const auto plan = PlanOf(record.model, record.bucket);
  if (!plan || blames_.count(number) == 1) return;
  std::vector<mpc::BlamedLayer> layers;
  for (std::uint32_t layer = 0; layer < record.layers.size(); ++layer) {
    const proto::LayerMaker& maker = record.makers[layer];
    mpc::BlamedLayer known{record.layers[layer], maker.king, maker.senders, {}, {}};
    known.values = files_.Get(LayerName(number, layer, known.root)).value_or(proto::Bytes());
    const auto list = files_.Get(SendersName(number, layer, known.senders));
    auto message = list ? proto::DecodeAttemptMessage(*list) : tl::unexpected(list.error());
    if (message) {
      if (auto* senders = std::get_if<proto::LayerSenders>(&*message)) {
        known.signatures = std::move(senders->senders);
      }
    }
    layers.push_back(std::move(known));
  }
  step.notes.push_back("attempt " + std::to_string(number) +
                       " was found false: its keys are revealed to find who lied");
  mpc::Blame& blame = blames_
                          .try_emplace(number, context_, plan, number, std::move(layers),
                                       record.excluded, SegmentOf(record))
                          .first->second;
  Absorb(blame.Start(), step);
  for (Early& early : TakeEarly(early_attempts_, number)) {
    HandleAttempt(early.from, std::move(std::get<proto::AttemptMessage>(early.message)), step);
  }
}

void Service::Absorb(mpc::Blame::Step child, Step& step) {
  for (auto& finding : step.Absorb(std::move(child), [](proto::AttemptMessage message) {
         return InferenceMessage(std::move(message));
       })) {
    step.notes.push_back("attempt " + std::to_string(finding.attempt) + ": layer " +
                         std::to_string(finding.layer) + " is not what it had to be");
    step.outputs.push_back(proto::PostFinding{std::move(finding)});
  }
}

void Service::EraseAttempt(std::uint64_t number, Step& step) {
  attempts_.erase(number);
  blames_.erase(number);
  TakeEarly(early_attempts_, number);
  std::vector<std::string> names = {BundleName(number), UseName(number)};
  if (auto layers = files_.List(LayerPrefix(number))) {
    names.insert(names.end(), layers->begin(), layers->end());
  }
  for (const std::string& name : names) {
    if (!files_.Has(name)) continue;
    if (auto erased = files_.Erase(name); !erased) step.notes.push_back(erased.error().message);
  }
}

void Service::StoreBundle(std::uint64_t attempt, const mpc::Bundle& bundle, Step& step) {
  if (auto stored = files_.Put(BundleName(attempt), mpc::EncodeBundle(bundle)); !stored) {
    // The run stays: a restart, or the next certificate, tries again from the layers on disk.
    step.notes.push_back("bundle " + std::to_string(attempt) +
                         " could not be stored: " + stored.error().message);
    return;
  }
  EffortOf(status_.attempts, attempt).finished_us = now_us_;
  step.notes.push_back("bundle " + std::to_string(attempt) + " is stored");
  attempts_.erase(attempt);
  TakeEarly(early_attempts_, attempt);
  for (auto& [number, run] : requests_) {
    if (!run.session) StartSession(number, run, step);
  }
}

std::vector<std::uint64_t> Service::PartsOf(std::uint64_t bundle) const {
  const auto record = snapshot_->attempt(bundle);
  if (!record) return {};
  std::vector<std::uint64_t> parts = {bundle};
  parts.insert(parts.end(), record->parts.begin(), record->parts.end());
  const auto& segments = models_.at(record->model).segments;
  const bool whole =
      record->bucket < segments.size() && segments[record->bucket].size() == parts.size() &&
      std::ranges::all_of(parts, [&](std::uint64_t part) { return files_.Has(BundleName(part)); });
  return whole ? parts : std::vector<std::uint64_t>();
}

Result<mpc::Bundle> Service::OpenBundle(std::uint64_t bundle, const mpc::Plan& plan,
                                        bool ends_only) const {
  const std::vector<std::uint64_t> numbers = PartsOf(bundle);
  const auto record = snapshot_->attempt(bundle);
  const auto& segments = models_.at(record->model).segments[record->bucket];
  std::vector<mpc::BundlePart> parts;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (ends_only && i != 0 && i + 1 != numbers.size()) continue;
    auto bytes = files_.Map(BundleName(numbers[i]));
    if (!bytes) return tl::unexpected(bytes.error());
    parts.push_back({segments[i], std::move(*bytes)});
  }
  return mpc::OpenBundle(plan, parts);
}

void Service::Absorb(std::uint64_t attempt, mpc::Attempt::Step child, Step& step) {
  Effort& effort = EffortOf(status_.attempts, attempt);
  for (const auto& [target, message] : child.messages) {
    const std::size_t copies =
        target.party ? (*target.party == context_.self ? 0 : 1) : context_.committee.size() - 1u;
    effort.bytes_sent += copies * WireBytes(message);
  }
  const auto outputs = step.Absorb(std::move(child), [](proto::AttemptMessage message) {
    return InferenceMessage(std::move(message));
  });
  for (const auto& output : outputs) {
    std::visit(proto::Overloaded{
                   [&](const mpc::PostCertificate& post) {
                     step.outputs.push_back(proto::FixLayer{post.certificate});
                   },
                   [&](const mpc::PostVerdict& post) {
                     step.outputs.push_back(proto::Verdict{attempt, post.transcript, post.pass});
                   },
                   [&](const mpc::LayerKnown& known) {
                     const auto stored =
                         files_.Put(LayerName(attempt, known.layer, known.root), known.values);
                     if (!stored) step.notes.push_back(stored.error().message);
                   },
                   [&](const mpc::SendersKnown& known) {
                     const auto stored =
                         files_.Put(SendersName(attempt, known.layer, known.digest),
                                    proto::Encode(proto::AttemptMessage(
                                        proto::LayerSenders{attempt, known.layer, known.senders})));
                     if (!stored) step.notes.push_back(stored.error().message);
                   },
                   [&](const mpc::Equivocation& found) {
                     step.outputs.push_back(proto::ReportEvidence{proto::dag::EncodeEvidence(
                         proto::dag::VectorPair{found.place, found.first, found.second})});
                   },
                   [&](const mpc::BundleReady& ready) { StoreBundle(attempt, ready.bundle, step); },
               },
               output);
  }
}

void Service::HandleAttempt(PartyId from, proto::AttemptMessage message, Step& step) {
  const std::uint64_t number = std::visit([](const auto& m) { return m.attempt; }, message);
  if (const auto it = blames_.find(number); it != blames_.end()) {
    return Absorb(it->second.Handle(from, std::move(message)), step);
  }
  // Whose ledger is ahead may know that the attempt is dead.
  const bool ahead = std::holds_alternative<proto::KeyReveal>(message) ||
                     std::holds_alternative<proto::LayerSenders>(message);
  if (const auto it = attempts_.find(number); it != attempts_.end() && !ahead) {
    return Absorb(number, it->second.protocol->Handle(from, std::move(message)), step);
  }
  const auto record = snapshot_ ? snapshot_->attempt(number) : std::nullopt;
  if (const auto* fetch = std::get_if<proto::FetchLayer>(&message)) {
    // The bundle is stored; a member that lags still needs the layers it came from.
    if (!record || fetch->layer >= record->layers.size()) return;
    if (auto values = files_.Get(LayerName(number, fetch->layer, record->layers[fetch->layer]))) {
      step.Send({from}, proto::AttemptMessage(
                            proto::LayerValues{number, fetch->layer, std::move(*values)}));
    }
    return;
  }
  const bool dead = record && record->status == AttemptStatus::kDead && record->culprits.empty();
  if (record && record->epoch != context_.epoch) return;
  if (record && !dead && (!IsLive(*record) || files_.Has(BundleName(number)))) return;
  const std::size_t size = WireBytes(message);
  KeepEarly(early_attempts_, number, newest_attempt_,
            {from, InferenceMessage(std::move(message)), size});
}

}  // namespace node
