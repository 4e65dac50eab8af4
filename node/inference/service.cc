#include "node/inference/service.h"

#include <algorithm>
#include <utility>

#include "proto/base/check.h"
#include "proto/base/overloaded.h"
#include "proto/crypto/hash.h"
#include "proto/wire/evidence.h"

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

namespace {

std::string FileName(const Digest& digest) {
  return "file-" + digest.hex();
}
std::string BundleName(std::uint64_t attempt) {
  return "bundle-" + std::to_string(attempt);
}
std::string UseName(std::uint64_t attempt) {
  return "use-" + std::to_string(attempt);
}
std::string LayerPrefix(std::uint64_t attempt) {
  return "layer-" + std::to_string(attempt) + "-";
}
// Until one is fixed, different kings may have made different values of a layer.
std::string LayerName(std::uint64_t attempt, std::uint32_t layer, const Digest& root) {
  return LayerPrefix(attempt) + std::to_string(layer) + "-" + root.hex();
}

// The kings' lists of senders that came with them.
std::string SendersName(std::uint64_t attempt, std::uint32_t layer, const Digest& senders) {
  return LayerPrefix(attempt) + std::to_string(layer) + "-senders-" + senders.hex();
}

// What a message costs on the wire, but for a few bytes of framing.
template <class Message>
std::size_t WireBytes(const Message& message) {
  return std::visit(
      [](const auto& m) {
        if constexpr (requires { m.values; }) {
          return sizeof m + m.values.size();
        } else if constexpr (requires { m.keys; }) {
          return sizeof m + m.keys.size();
        } else {
          return sizeof m;
        }
      },
      message);
}

bool IsLive(AttemptStatus status) {
  return status == AttemptStatus::kStarted || status == AttemptStatus::kCertified ||
         status == AttemptStatus::kAssigned;
}

}  // namespace

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
  model.announced = std::ranges::count(record->ready, context_.self) > 0;
  status_.models[id] = false;
  LoadPlans(id, model, step);
}

bool Service::LoadPlans(const Digest& id, Model& model, Step& step) {
  for (const proto::PackageFile& file : model.manifest.files) {
    if (!files_.Has(FileName(file.digest))) return false;
  }
  std::vector<std::shared_ptr<const mpc::Plan>> plans;
  for (const proto::Bucket& bucket : model.manifest.buckets) {
    const auto file =
        std::ranges::find(model.manifest.files, bucket.plan_digest, &proto::PackageFile::digest);
    auto bytes = file == model.manifest.files.end()
                     ? Fail(ErrorCode::kCorrupt, "the package lacks the plan")
                     : files_.Get(FileName(file->digest));
    auto plan = bytes ? mpc::DecodePlan(*bytes) : tl::unexpected(bytes.error());
    const auto fits = [&](const mpc::Plan& p) {
      return p.tokens == bucket.tokens && p.vocabulary_padded() == bucket.vocabulary_padded &&
             p.ops.back().size() == bucket.outputs &&
             mpc::LeakageBits(p, context_.sets->mask_bits()) >= mpc::kLeakageBitsMin &&
             mpc::CheckPreprocessing(p, context_.committee).has_value() &&
             mpc::LayerCount(p, context_.committee) == bucket.layers;
    };
    if (!plan || !fits(*plan)) {
      step.notes.push_back(
          "model " + model.manifest.name + " is not served: its plan for " +
          std::to_string(bucket.tokens) + " tokens " +
          (plan ? "is not what its manifest says" : "is refused: " + plan.error().message));
      return false;
    }
    plans.push_back(std::make_shared<const mpc::Plan>(std::move(*plan)));
  }
  model.plans = std::move(plans);
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

void Service::FetchMissingFiles(Step& step) {
  for (const auto& [id, model] : models_) {
    if (!model.plans.empty()) continue;
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

Result<proto::Bytes> Service::ReadFile(const Digest& digest) const {
  return files_.Get(FileName(digest));
}

// ---- attempts ----------------------------------------------------------------------------------

void Service::SyncAttempt(const Snapshot& snapshot, std::uint64_t number, Step& step) {
  newest_attempt_ = std::max(newest_attempt_, number);
  const auto record = snapshot.attempt(number);
  if (!record) return;
  if (record->status == AttemptStatus::kDead && record->culprits.empty()) {
    return StartBlame(number, *record, step);
  }
  if (!IsLive(record->status)) return EraseAttempt(number, step);
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
  run.protocol = std::make_unique<mpc::Attempt>(context_, plan, plan_digest, number,
                                                std::move(known), mpc::Segment{}, record.excluded);
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
  mpc::Blame& blame =
      blames_.try_emplace(number, context_, plan, number, std::move(layers)).first->second;
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
    if (run.record.attempt == attempt && !run.session) StartSession(number, run, step);
  }
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
  if (record && !dead && (!IsLive(record->status) || files_.Has(BundleName(number)))) return;
  const std::size_t size = WireBytes(message);
  KeepEarly(early_attempts_, number, newest_attempt_,
            {from, InferenceMessage(std::move(message)), size});
}

// ---- requests ----------------------------------------------------------------------------------

void Service::SyncRequest(const Snapshot& snapshot, std::uint64_t number, Step& step) {
  newest_request_ = std::max(newest_request_, number);
  auto record = snapshot.request(number);
  if (!record) return;
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
      TakeEarly(early_requests_, number);
      return EraseAttempt(record->attempt, step);
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
  if (!plan || !files_.Has(BundleName(run.record.attempt)))
    return;  // Synced again once it is here.
  const auto bytes = files_.Get(BundleName(run.record.attempt));
  auto bundle = bytes ? mpc::DecodeBundle(*plan, *bytes) : tl::unexpected(bytes.error());
  if (!bundle) {
    step.notes.push_back("bundle " + std::to_string(run.record.attempt) +
                         " cannot be read: " + bundle.error().message);
    return;
  }
  if (!BindBundle(number, run.record, step)) return;
  run.session = std::make_unique<mpc::Session>(context_, plan, std::move(*bundle), number,
                                               run.record.masked_tokens);
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

void Service::Absorb(std::uint64_t request, mpc::Session::Step child, Step& step) {
  auto outputs = step.Absorb(std::move(child), [](proto::SessionMessage message) {
    return InferenceMessage(std::move(message));
  });
  for (auto& output : outputs) {
    RequestRun& run = requests_.at(request);
    Effort& effort = EffortOf(status_.requests, request);
    effort.finished_us = now_us_;
    effort.rounds = output.rounds;
    effort.bytes_sent = output.bytes_sent;
    step.notes.push_back("request " + std::to_string(request) + " is computed");
    step.outputs.push_back(proto::Attest{request, output.transcript, output.accused});
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
  const auto bytes = files_.Get(BundleName(attempt));
  if (!bytes) return Fail(ErrorCode::kUnavailable, "this validator has not the bundle yet");
  const auto bundle = mpc::DecodeBundle(*plan, *bytes);
  if (!bundle) return tl::unexpected(bundle.error());
  return mpc::ClientMaskShares(*plan, *bundle);
}

// ---- messages ----------------------------------------------------------------------------------

Service::Step Service::Handle(PartyId from, InferenceMessage message, std::uint64_t now_us) {
  now_us_ = now_us;
  Step step;
  std::visit(proto::Overloaded{
                 [&](proto::AttemptMessage& m) { HandleAttempt(from, std::move(m), step); },
                 [&](proto::SessionMessage& m) { HandleSession(from, std::move(m), step); },
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
