#include "node/inference/service.h"

#include <algorithm>
#include <utility>

#include "node/inference/names.h"
#include "proto/base/check.h"
#include "proto/base/overloaded.h"
#include "proto/crypto/hash.h"

namespace node {

using proto::AttemptRecord;
using proto::AttemptStatus;
using proto::Digest;
using proto::ErrorCode;
using proto::Fail;
using proto::PartyId;
using proto::RequestRecord;
using proto::RequestStatus;
using proto::Result;

void Service::Step::Merge(Step other) {
  for (auto& output :
       Absorb(std::move(static_cast<proto::Step<InferenceMessage, proto::Payload>&>(other)),
              [](InferenceMessage message) { return message; })) {
    outputs.push_back(std::move(output));
  }
  notes.insert(notes.end(), other.notes.begin(), other.notes.end());
}

Service::Service(const mpc::PartyContext& context, BulkStore& files)
    : context_(context), files_(files), early_bytes_(context.committee.size()) {}

Service::Step Service::Resume(const Snapshot& snapshot, std::uint64_t now_us) {
  now_us_ = now_us;
  Step step;
  SyncAll(snapshot, step);
  return step;
}

void Service::SyncAll(const Snapshot& snapshot, Step& step) {
  snapshot_ = snapshot;
  for (const Digest& model : snapshot.models(1, proto::kModelsMax))
    SyncModel(snapshot, model, step);
  const proto::Totals totals = snapshot.totals();
  for (std::uint64_t number = 1; number <= totals.attempts; ++number) {
    SyncAttempt(snapshot, number, step);
  }
  for (std::uint64_t number = 1; number <= totals.requests; ++number) {
    SyncRequest(snapshot, number, step);
  }
}

Service::Step Service::OnEvents(const Snapshot& snapshot, const std::vector<Event>& events,
                                std::uint64_t now_us) {
  now_us_ = now_us;
  snapshot_ = snapshot;
  Step step;
  for (const Event& event : events) {
    std::visit(proto::Overloaded{
                   [&](const ModelRegistered& e) { SyncModel(snapshot, e.model, step); },
                   [&](const ModelActive& e) { SyncModel(snapshot, e.model, step); },
                   [&](const AttemptStarted& e) { SyncAttempt(snapshot, e.attempt, step); },
                   [&](const LayerFixed& e) { SyncAttempt(snapshot, e.attempt, step); },
                   [&](const AttemptCertified& e) { SyncAttempt(snapshot, e.attempt, step); },
                   [&](const AttemptDead& e) { SyncAttempt(snapshot, e.attempt, step); },
                   [&](const AttemptBlamed& e) { SyncAttempt(snapshot, e.attempt, step); },
                   [&](const RequestAssigned& e) { SyncRequest(snapshot, e.request, step); },
                   [&](const RequestSubmitted& e) { SyncRequest(snapshot, e.request, step); },
                   [&](const RequestComputed& e) { SyncRequest(snapshot, e.request, step); },
                   [&](const RequestCompleted& e) { SyncRequest(snapshot, e.request, step); },
                   [&](const RequestExpired& e) { SyncRequest(snapshot, e.request, step); },
                   [](const EpochDecided&) {},
                   [](const KeysMade&) {},
                   [](const EpochEnded&) {},
               },
               event);
  }
  return step;
}

Service::Step Service::Tick(std::uint64_t now_us) {
  now_us_ = now_us;
  Step step;
  ++ticks_;
  postponed_ticks_ = postponed_.empty() ? 0 : postponed_ticks_ + 1;
  if (!SessionRuns() || postponed_ticks_ >= kPostponedTicksMax) ResumePostponed(step);
  for (auto it = attempts_.begin(); it != attempts_.end();) {
    const std::uint64_t number = (it++)->first;  // Absorb may end the run.
    Absorb(number, attempts_.at(number).protocol->Tick(), step);
  }
  for (auto& [number, blame] : blames_) Absorb(blame.Tick(), step);
  if (ticks_ % 4 == 1) FetchMissingFiles(step);
  return step;
}

Service::Step Service::PeerConnected(PartyId party, std::uint64_t now_us) {
  now_us_ = now_us;
  Step step;
  for (auto it = attempts_.begin(); it != attempts_.end();) {
    const std::uint64_t number = (it++)->first;
    Absorb(number, attempts_.at(number).protocol->PeerConnected(party), step);
  }
  for (auto& [number, blame] : blames_) Absorb(blame.PeerConnected(party), step);
  for (auto it = requests_.begin(); it != requests_.end();) {
    const auto& [number, run] = *it++;
    if (run.session) Absorb(number, run.session->PeerConnected(party), step);
  }
  return step;
}

// ---- models ------------------------------------------------------------------------------------

void Service::SyncModel(const Snapshot& snapshot, const Digest& id, Step& step) {
  if (models_.count(id)) return;
  const auto record = snapshot.model(id);
  if (!record) return;
  auto manifest = proto::DecodeManifest(record->manifest);
  CHECK(manifest.has_value());  // The ledger admitted it.
  Model& model = models_[id];
  model.manifest = std::move(*manifest);
  const proto::PublicKey& own = context_.keys[Index(context_.self)];
  model.announced = std::ranges::count(record->ready, own) > 0;
  status_.models[id] = false;
  LoadPlans(id, model, step);
}

bool Service::LoadPlans(const Digest& id, Model& model, Step& step) {
  for (const proto::PackageFile& file : model.manifest.files) {
    if (!files_.Has(FileName(file.digest))) return false;
  }
  std::vector<std::shared_ptr<const mpc::Plan>> plans;
  std::vector<std::vector<mpc::Segment>> segments;
  for (const proto::Bucket& bucket : model.manifest.buckets) {
    const auto file =
        std::ranges::find(model.manifest.files, bucket.plan_digest, &proto::PackageFile::digest);
    const Result<proto::SharedBytes> bytes =
        file == model.manifest.files.end() ? Fail(ErrorCode::kCorrupt, "the package lacks the plan")
                                           : files_.Map(FileName(file->digest));
    auto plan = bytes ? mpc::DecodePlan(*bytes) : tl::unexpected(bytes.error());
    if (plan) {
      // What leaks is served by nobody: privacy rests on it.
      auto safe = mpc::CheckPreprocessing(*plan, context_.committee, bucket.segment_values);
      if (!safe) plan = tl::unexpected(safe.error());
    }
    const auto fits = [&](const mpc::Plan& p) {
      return p.tokens == bucket.tokens && p.vocabulary_padded() == bucket.vocabulary_padded &&
             p.ops.back().size() == bucket.outputs && p.steps == bucket.steps &&
             mpc::SegmentLayers(p, context_.committee, bucket.segment_values) == bucket.layers;
    };
    if (!plan || !fits(*plan)) {
      model.refused = bytes.has_value();
      step.notes.push_back(
          "model " + model.manifest.name + " is not served: its plan for " +
          std::to_string(bucket.tokens) + " tokens " +
          (plan ? "is not what its manifest says" : "is refused: " + plan.error().message));
      return false;
    }
    segments.push_back(mpc::CutPlan(*plan, context_.sets->count(), bucket.segment_values, 0));
    plans.push_back(std::make_shared<const mpc::Plan>(std::move(*plan)));
  }
  model.plans = std::move(plans);
  model.segments = std::move(segments);
  status_.models[id] = true;
  step.notes.push_back("model " + model.manifest.name + " is ready");
  if (!model.announced) step.outputs.push_back(proto::ModelReady{id});
  model.announced = true;
  return true;
}

std::shared_ptr<const mpc::Plan> Service::PlanOf(const Digest& model, std::uint32_t bucket) const {
  const auto it = models_.find(model);
  if (it == models_.end() || bucket >= it->second.plans.size()) return nullptr;
  return it->second.plans[bucket];
}

mpc::Segment Service::SegmentOf(const AttemptRecord& record) const {
  mpc::Segment segment = models_.at(record.model).segments[record.bucket][record.segment];
  segment.masks = record.segment == 0 ? std::nullopt : std::optional(record.bundle);
  return segment;
}

void Service::FetchMissingFiles(Step& step) {
  for (auto& [id, model] : models_) {
    if (!model.plans.empty()) continue;
    // Another process of this machine may have brought them.
    if (!model.refused && LoadPlans(id, model, step)) {
      SyncAll(*snapshot_, step);
      return;
    }
    for (const proto::PackageFile& file : model.manifest.files) {
      if (files_.Has(FileName(file.digest))) continue;
      // Another member each time, so that one that does not answer costs one wait.
      const auto size = context_.committee.size();
      const auto party = static_cast<PartyId>((Index(context_.self) + 1 + ticks_ / 4) % size);
      if (party != context_.self) step.Send({party}, FetchFile{file.digest});
    }
  }
}

Result<Service::Step> Service::AddFile(proto::Bytes bytes, std::uint64_t now_us) {
  now_us_ = now_us;
  const Digest digest = proto::Sha256(bytes);
  const auto names = [&](const auto& entry) {
    return std::ranges::count(entry.second.manifest.files, digest, &proto::PackageFile::digest) > 0;
  };
  if (!std::ranges::any_of(models_, names)) {
    return Fail(ErrorCode::kDenied, "no registered model has this file; register the model first");
  }
  Step step;
  if (files_.Has(FileName(digest))) return step;
  if (auto stored = files_.Put(FileName(digest), bytes); !stored) {
    return tl::unexpected(stored.error());
  }
  for (auto& [id, model] : models_) {
    if (model.plans.empty() && LoadPlans(id, model, step)) SyncAll(*snapshot_, step);
  }
  return step;
}

Result<proto::SharedBytes> Service::ReadFile(const Digest& digest) const {
  return files_.Map(FileName(digest));
}

// ---- requests ----------------------------------------------------------------------------------

void Service::SyncRequest(const Snapshot& snapshot, std::uint64_t number, Step& step) {
  newest_request_ = std::max(newest_request_, number);
  auto record = snapshot.request(number);
  const auto attempt = record ? snapshot.attempt(record->attempt) : std::nullopt;
  if (!attempt || attempt->epoch != context_.epoch) return;
  switch (record->status) {
    case RequestStatus::kOpened:
      return;
    case RequestStatus::kSubmitted:
    case RequestStatus::kComputed: {
      RequestRun& run = requests_[number];
      run.record = std::move(*record);
      if (!run.session) StartSession(number, run, step);
      if (const auto it = requests_.find(number); it != requests_.end()) {
        PostOutput(number, it->second, step);
      }
      return;
    }
    case RequestStatus::kCompleted:
    case RequestStatus::kExpired:
      requests_.erase(number);
      answers_.erase(number);
      TakeEarly(early_requests_, number);
      return SyncAttempt(snapshot, record->attempt, step);
  }
}

// The guard against two runs of one bundle: which submission a bundle serves is on disk before the
// first online share leaves, and never changes.
bool Service::BindBundle(std::uint64_t number, const RequestRecord& record, Step& step) {
  proto::Bytes use;
  proto::PutU64(use, number);
  use.insert(use.end(), record.submission.bytes.begin(), record.submission.bytes.end());
  const auto bound = files_.Get(UseName(record.attempt));
  if (bound) {
    if (*bound == use) return true;
    step.notes.push_back("bundle " + std::to_string(record.attempt) +
                         " served another submission before: request " + std::to_string(number) +
                         " is left to the others");
    return false;
  }
  if (const auto stored = files_.Put(UseName(record.attempt), use); !stored) {
    step.notes.push_back(stored.error().message);
    return false;
  }
  return true;
}

void Service::StartSession(std::uint64_t number, RequestRun& run, Step& step) {
  const auto plan = PlanOf(run.record.model, run.record.bucket);
  if (!plan || PartsOf(run.record.attempt).empty()) return;  // Synced again once it is here.
  auto bundle = OpenBundle(run.record.attempt, *plan, false);
  if (!bundle) {
    step.notes.push_back("bundle " + std::to_string(run.record.attempt) +
                         " cannot be read: " + bundle.error().message);
    return;
  }
  if (!BindBundle(number, run.record, step)) return;
  run.session = std::make_unique<mpc::Session>(context_, plan, std::move(*bundle), number,
                                               run.record.masked_tokens, run.record.until_end);
  EffortOf(status_.requests, number);
  Absorb(number, run.session->Start(), step);
  for (Early& early : TakeEarly(early_requests_, number)) {
    HandleSession(early.from, std::move(std::get<proto::SessionMessage>(early.message)), step);
  }
}

void Service::PostOutput(std::uint64_t number, RequestRun& run, Step& step) {
  if (run.posted || !run.finished || run.record.status != RequestStatus::kComputed) return;
  if (run.finished->transcript != run.record.transcript) {
    step.notes.push_back("request " + std::to_string(number) +
                         ": this member's transcript is not the committee's; no output is posted");
    return;
  }
  run.posted = true;
  const auto& accused = run.session->accused();
  proto::PostOutput post{number, {}, {accused.begin(), accused.end()}};
  for (const mpc::Fp share : run.finished->output_shares) share.ToBytes(post.shares.emplace_back());
  step.outputs.push_back(std::move(post));
}

void Service::AddAnswerSteps(std::uint64_t number, const RequestRun& run) {
  const std::size_t group = PlanOf(run.record.model, run.record.bucket)->group();
  std::vector<AnswerStep>& steps = answers_[number];
  const std::span<const mpc::Fp> shares = run.session->output_shares();
  while ((steps.size() + 1) * group <= shares.size()) {
    const auto index = static_cast<std::uint32_t>(steps.size());
    proto::Bytes bytes = mpc::EncodeElements(shares.subspan(index * group, group));
    const proto::Signature signature =
        context_.key->Sign(AnswerStepDigest(context_.chain, number, index, bytes));
    steps.push_back({std::move(bytes), signature});
  }
}

void Service::Absorb(std::uint64_t request, mpc::Session::Step child, Step& step) {
  auto outputs = step.Absorb(std::move(child), [](proto::SessionMessage message) {
    return InferenceMessage(std::move(message));
  });
  AddAnswerSteps(request, requests_.at(request));
  for (auto& output : outputs) {
    RequestRun& run = requests_.at(request);
    Effort& effort = EffortOf(status_.requests, request);
    effort.finished_us = now_us_;
    effort.rounds = output.rounds;
    effort.bytes_sent = output.bytes_sent;
    step.notes.push_back("request " + std::to_string(request) + " is computed");
    step.outputs.push_back(proto::Attest{request, output.transcript, output.accused, output.steps});
    run.finished = std::move(output);
    PostOutput(request, run, step);
  }
}

void Service::HandleSession(PartyId from, proto::SessionMessage message, Step& step) {
  const std::uint64_t number = std::visit([](const auto& m) { return m.request; }, message);
  const auto it = requests_.find(number);
  if (it != requests_.end() && it->second.session) {
    return Absorb(number, it->second.session->Handle(from, std::move(message)), step);
  }
  const auto record = snapshot_ ? snapshot_->request(number) : std::nullopt;
  if (record && record->status >= RequestStatus::kCompleted) return;
  const std::size_t size = WireBytes(message);
  KeepEarly(early_requests_, number, newest_request_,
            {from, InferenceMessage(std::move(message)), size});
}

Result<std::vector<mpc::Fp>> Service::MaskShares(std::uint64_t attempt) const {
  const auto record = snapshot_ ? snapshot_->attempt(attempt) : std::nullopt;
  const auto plan = record ? PlanOf(record->model, record->bucket) : nullptr;
  if (!plan) return Fail(ErrorCode::kUnavailable, "this validator has not the model's files yet");
  if (PartsOf(attempt).empty()) {
    return Fail(ErrorCode::kUnavailable, "this validator has not the bundle yet");
  }
  const auto bundle = OpenBundle(attempt, *plan, true);
  if (!bundle) return tl::unexpected(bundle.error());
  return mpc::ClientMaskShares(*plan, *bundle);
}

bool Service::IsDone() const {
  if (!requests_.empty() || !snapshot_) return false;
  return std::ranges::none_of(snapshot_->opened().entries, [&](const auto& entry) {
    const auto record = snapshot_->request(entry.request);
    const auto attempt = record ? snapshot_->attempt(record->attempt) : std::nullopt;
    return attempt && attempt->epoch == context_.epoch;
  });
}

// ---- messages ----------------------------------------------------------------------------------

Service::Step Service::Handle(PartyId from, InferenceMessage message, std::uint64_t now_us) {
  now_us_ = now_us;
  Step step;
  std::visit(proto::Overloaded{
                 [&](proto::AttemptMessage& m) { HandleAttempt(from, std::move(m), step); },
                 [&](proto::SessionMessage& m) { HandleSession(from, std::move(m), step); },
                 [](key_ceremony::Message&) {},  // EpochMember's.
                 [&](FetchFile& m) {
                   auto bytes = files_.Get(FileName(m.digest));
                   if (bytes) step.Send({from}, FileBytes{m.digest, std::move(*bytes)});
                 },
                 [&](FileBytes& m) {
                   auto added = AddFile(std::move(m.bytes), now_us_);
                   if (!added) return step.Blame(from, proto::FaultKind::kMalformed);
                   step.Merge(std::move(*added));
                 },
             },
             message);
  return step;
}

void Service::KeepEarly(EarlyByNumber& early, std::uint64_t number, std::uint64_t newest,
                        Early message) {
  // Of what is over, nothing is kept; of what may never come, little.
  if (number > newest + kEarlyNumbersMax) return;
  std::size_t& used = early_bytes_[Index(message.from)];
  if (used + message.size > kEarlyBytesMax) return;
  used += message.size;
  early[number].push_back(std::move(message));
}

std::vector<Service::Early> Service::TakeEarly(EarlyByNumber& early, std::uint64_t number) {
  auto node = early.extract(number);
  if (node.empty()) return {};
  for (const Early& message : node.mapped()) early_bytes_[Index(message.from)] -= message.size;
  return std::move(node.mapped());
}

Effort& Service::EffortOf(std::map<std::uint64_t, Effort>& efforts, std::uint64_t number) {
  const auto [it, added] = efforts.try_emplace(number, Effort{now_us_, 0, 0, 0});
  if (efforts.size() > kEffortsMax && it != efforts.begin()) efforts.erase(efforts.begin());
  return it->second;
}

}  // namespace node
