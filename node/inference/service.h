// The committee member: brings MPC into line with the ledger, and MPC's results onto the ledger.
//
//   model registered       fetch its files, check their hashes, announce ModelReady
//   attempt started        run mpc::Attempt; its certificates and verdicts become transactions
//   attempt dead           run mpc::Blame: reveal its keys, post who lied
//   attempt certified      keep the bundle on disk until one request has consumed it
//   request submitted      make (bundle -> submission) durable, then run mpc::Session; its shares
//   of
//                          the answer's steps are there for the client as they are computed
//   session finished       Attest; once the ledger says `computed`, PostOutput
//   request ended          erase the bundle and its layers
//
// There is one path for all of it: Sync compares the ledger's record of a model, attempt or request
// with what runs here and takes the steps that are missing. Events name what to compare; after a
// restart Resume compares everything.
//
// Pure but for the BulkStore it is given. The ledger's decisions reach members at different times:
// messages about an attempt or request that this member's ledger has not reached yet are kept, up
// to a quota for each sender. Messages lost on a broken link are asked for again in PeerConnected.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "mpc/online/session.h"
#include "mpc/party.h"
#include "mpc/preprocessing/attempt.h"
#include "mpc/preprocessing/blame.h"
#include "node/inference/answer_step.h"
#include "node/inference/effort.h"
#include "node/inference/message.h"
#include "node/ledger/events.h"
#include "node/ledger/snapshot.h"
#include "node/store/interfaces.h"
#include "proto/protocol.h"
#include "proto/wire/ledger.h"
#include "proto/wire/records.h"

namespace node {

// Messages kept for attempts and requests not yet known, in bytes for each sender.
inline constexpr std::size_t kEarlyBytesMax = std::size_t{256} << 20;
// How far ahead of the newest known number an attempt or request may be for that.
inline constexpr std::uint64_t kEarlyNumbersMax = 64;
// Ticks for which the next step of an attempt may wait while a request is computed here: people
// wait for requests, nobody for attempts.
inline constexpr std::uint32_t kPostponedTicksMax = 40;

class Service {
 public:
  struct Step : proto::Step<InferenceMessage, proto::Payload> {
    std::vector<std::string> notes;  // For the log: one sentence each.

    void Merge(Step other);
  };

  // `context` and `files` outlive the service.
  Service(const mpc::PartyContext& context, BulkStore& files);

  Step Resume(const Snapshot& snapshot, std::uint64_t now_us);
  Step OnEvents(const Snapshot& snapshot, const std::vector<Event>& events, std::uint64_t now_us);
  Step Handle(proto::PartyId from, InferenceMessage message, std::uint64_t now_us);
  // Called a few times a second; wakes the next king, asks again for files.
  Step Tick(std::uint64_t now_us);
  Step PeerConnected(proto::PartyId party, std::uint64_t now_us);

  // A model file from its vendor; kDenied unless a registered model names its hash.
  proto::Result<Step> AddFile(proto::Bytes bytes, std::uint64_t now_us);
  // A model file by its SHA-256.
  proto::Result<proto::SharedBytes> ReadFile(const proto::Digest& digest) const;
  // This member's shares of a bundle's token masks and output masks (mpc::ClientMaskShares): for
  // the owner of the request it is assigned to alone, which the caller has checked.
  proto::Result<std::vector<mpc::Fp>> MaskShares(std::uint64_t attempt) const;

  // What is computed of the answer to a running request; none of one that does not run here.
  const std::map<std::uint64_t, std::vector<AnswerStep>>& answers() const { return answers_; }

  // Of an epoch that is over: no request that its members answer for is unfinished.
  bool IsDone() const;

  const ServiceStatus& status() const { return status_; }

 private:
  struct Model {
    proto::Manifest manifest;
    // By bucket; empty until all files are here.
    std::vector<std::shared_ptr<const mpc::Plan>> plans;
    std::vector<std::vector<mpc::Segment>> segments;  // Of each plan.
    bool announced = false;
    bool refused = false;  // Its files are here, and not what they should be.
  };
  struct AttemptRun {
    proto::Digest model;
    std::uint32_t bucket = 0;
    std::unique_ptr<mpc::Attempt> protocol;
    std::size_t layers_fixed = 0;
    std::size_t layers_at_start = 0;  // Fixed when the run began here, perhaps after a restart.
    bool judged = false;
  };
  struct RequestRun {
    proto::RequestRecord record;
    std::unique_ptr<mpc::Session> session;  // None until the bundle is here.
    std::optional<mpc::Session::Output> finished;
    bool posted = false;
  };
  struct Early {
    proto::PartyId from;
    InferenceMessage message;
    std::size_t size;
  };
  using EarlyByNumber = std::map<std::uint64_t, std::vector<Early>>;

  void SyncModel(const Snapshot& snapshot, const proto::Digest& id, Step& step);
  void SyncAttempt(const Snapshot& snapshot, std::uint64_t number, Step& step);
  void SyncRequest(const Snapshot& snapshot, std::uint64_t number, Step& step);
  void SyncAll(const Snapshot& snapshot, Step& step);

  bool LoadPlans(const proto::Digest& id, Model& model, Step& step);
  std::shared_ptr<const mpc::Plan> PlanOf(const proto::Digest& model, std::uint32_t bucket) const;
  // What an attempt prepares; its model's files are here.
  mpc::Segment SegmentOf(const proto::AttemptRecord& record) const;
  // The attempts of a bundle whose parts are all prepared, or none.
  std::vector<std::uint64_t> PartsOf(std::uint64_t bundle) const;
  // A bundle with all its parts; or of the first and the last alone, which the client's masks are
  // in.
  proto::Result<mpc::Bundle> OpenBundle(std::uint64_t bundle, const mpc::Plan& plan,
                                        bool ends_only) const;
  void FetchMissingFiles(Step& step);
  AttemptRun* StartAttempt(std::uint64_t number, const proto::AttemptRecord& record, Step& step);
  void StartBlame(std::uint64_t number, const proto::AttemptRecord& record, Step& step);
  bool IsLive(const proto::AttemptRecord& record) const;
  void EraseAttempt(std::uint64_t number, Step& step);
  void StartSession(std::uint64_t number, RequestRun& run, Step& step);
  bool SessionRuns() const;
  void ResumePostponed(Step& step);
  bool BindBundle(std::uint64_t number, const proto::RequestRecord& record, Step& step);
  void PostOutput(std::uint64_t number, RequestRun& run, Step& step);
  void AddAnswerSteps(std::uint64_t number, const RequestRun& run);

  void Absorb(std::uint64_t attempt, mpc::Attempt::Step child, Step& step);
  void Absorb(mpc::Blame::Step child, Step& step);
  void Absorb(std::uint64_t request, mpc::Session::Step child, Step& step);
  void StoreBundle(std::uint64_t attempt, const mpc::Bundle& bundle, Step& step);
  void HandleAttempt(proto::PartyId from, proto::AttemptMessage message, Step& step);
  void HandleSession(proto::PartyId from, proto::SessionMessage message, Step& step);
  void KeepEarly(EarlyByNumber& early, std::uint64_t number, std::uint64_t newest, Early message);
  std::vector<Early> TakeEarly(EarlyByNumber& early, std::uint64_t number);
  Effort& EffortOf(std::map<std::uint64_t, Effort>& efforts, std::uint64_t number);

  const mpc::PartyContext& context_;
  BulkStore& files_;
  std::optional<Snapshot> snapshot_;  // The newest seen.
  std::map<proto::Digest, Model> models_;
  std::map<std::uint64_t, AttemptRun> attempts_;
  std::map<std::uint64_t, mpc::Blame> blames_;  // Of dead attempts.
  std::map<std::uint64_t, RequestRun> requests_;
  std::map<std::uint64_t, std::vector<AnswerStep>> answers_;  // Of those that run.
  EarlyByNumber early_attempts_;
  EarlyByNumber early_requests_;
  std::vector<std::size_t> early_bytes_;  // By sender.
  std::uint64_t newest_attempt_ = 0;
  std::uint64_t newest_request_ = 0;
  std::uint64_t now_us_ = 0;
  std::uint64_t ticks_ = 0;
  std::set<std::uint64_t> postponed_;  // Attempts to bring into line when no session runs.
  std::uint32_t postponed_ticks_ = 0;
  ServiceStatus status_;
};

}  // namespace node
