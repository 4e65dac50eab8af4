// A validator's consensus: the certified DAG of Narwhal under the commit rule of Tusk, with the
// coin of Cachin, Kursawe and Shoup (Danezis, Kokoris-Kogias, Sonnino, Spiegelman 2022; CKS 2000).
//
// Guarantee, with at most f of n >= 3f + 1 validators Byzantine and any network that delivers in
// the end: the same sequence of commits at every honest node (safety, whatever the timing); every
// transaction given to an honest validator in some commit, and commits go on (with probability 1;
// under three waves of two rounds are expected for each). No timer decides anything.
//
//   author   header of round r + 1, on n - f certificates of round r   -> everyone     n messages
//   voter    vote, when all the header names is here and durable       -> author       n
//   author   certificate, on n - f votes                               -> everyone     n
//   all      insert when all it names is inserted; commit by the rule; sign the block made of it
//
// Three message delays and n (n - f) signature checks a round and node. Never two votes for one
// (round, author), never two own headers for one round: both are durable before they leave, and
// read back after a restart.
//
// Who calls: the host, one call at a time, doing what the Step says before the next (step.h).
#pragma once

#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "consensus/broadcast/ballots.h"
#include "consensus/broadcast/verifier.h"
#include "consensus/commit/coin.h"
#include "consensus/commit/sequencer.h"
#include "consensus/config.h"
#include "consensus/core/finality.h"
#include "consensus/core/patience.h"
#include "consensus/core/payload.h"
#include "consensus/dag/dag.h"
#include "consensus/step.h"
#include "consensus/store/store.h"
#include "consensus/sync/backlog.h"
#include "consensus/sync/catch_up.h"
#include "consensus/sync/loose_batches.h"
#include "consensus/sync/server.h"

namespace consensus {

// For metrics and `status`.
struct Status {
  std::uint64_t highest_round = 0;
  std::uint64_t own_round = 0;  // Of the newest own header.
  std::uint64_t gc_round = 0;
  std::uint64_t commit_index = 0;
  std::uint64_t last_leader_round = 0;
  std::uint64_t finalized_index = 0;  // The highest.
  bool catching_up = false;
  bool silent = false;  // It neither votes nor proposes.
  bool halted = false;
  std::uint64_t signature_checks = 0;
  std::uint64_t share_checks = 0;
  std::size_t vertices = 0;  // In memory; all else that grows is bounded by these two.
  std::size_t parked = 0;    // Headers and certificates that wait for something.
};

class Core {
 public:
  // `archive`: all writes of earlier steps; empty for a new node. It outlives the core.
  // `executed_index`: the newest commit whose execution the host made durable; later ones come out
  // of Start again. kInvalidArgument for a configuration that cannot be; kCorrupt when the storage
  // is damaged, or older than what was executed (then this node must not vote: it may have voted).
  static proto::Result<std::unique_ptr<Core>> Open(Config config, proto::SecretKey key,
                                                   proto::CoinSecret coin_secret,
                                                   const Archive& archive,
                                                   std::uint64_t executed_index);

  // Before Start: no new vote and no new header leave until Speak. What left before may be
  // repeated, all else goes on.
  void Silence() { silent_ = true; }
  // Once, first. Commits to be executed again, the own header to be sent again, what is missing.
  Step Start();
  // This node is sure of remembering its words. Votes for the headers that came meanwhile.
  Step Speak();
  // It is not, and must be silent for the rest of the epoch: durable with this Step.
  Step Observe(std::string reason);
  // Why it only observes, since this or an earlier start.
  const std::optional<std::string>& observing() const { return observing_; }
  // The newest header of the party that is known here. One that was voted for is never forgotten.
  std::optional<Header> NewestHeaderOf(proto::PartyId party);

  // Into the next batch; durable with this Step, so that it may be acknowledged then. An error says
  // that nothing was taken: kInvalidArgument (size) or kExhausted (too much is waiting).
  proto::Result<Step> Submit(std::vector<proto::Bytes> transactions);

  Step Handle(proto::PartyId from, Message message);

  // The host's pacing, every few tens of milliseconds while has_pending(), more slowly otherwise
  // (but at least every second). At most one own header leaves for each; it leaves later, as soon
  // as there is a quorum, when there is none yet, and may wait for kPatienceTicks more (patience.h).
  // Also what lost messages are asked for again by.
  Step Tick();

  // The link to a peer is new: what was sent on the old one may be lost.
  Step PeerConnected(proto::PartyId peer);

  // The block made from commit `index`. Again after a restart, for every block executed and not yet
  // finalized; another digest than the first time halts the node.
  Step SignBlock(std::uint64_t index, const proto::Digest& block);

  // Transactions are known that no finalized block holds, or this node is behind.
  bool has_pending() const;
  Status status() const;

 private:
  Core(Config config, proto::SecretKey key, proto::CoinSecret coin_secret, const Archive& archive,
       std::uint64_t executed_index, const State& state);

  // Opening (core.cc).
  proto::Result<> Restore();

  // Each call's end: everything that the new state allows.
  Step Finish(Step step);

  // Messages (handle.cc).
  void On(proto::PartyId from, Transactions batch, Step& step);
  void On(proto::PartyId from, Header header, Step& step);
  void On(proto::PartyId from, const Vote& vote, Step& step);
  void On(proto::PartyId from, Certificate certificate, Step& step);
  void On(proto::PartyId from, const Request& request, Step& step);
  void On(proto::PartyId from, const RangeRequest& request, Step& step);
  void On(proto::PartyId from, RangeAnswer answer, Step& step);

  bool IsStored(const BatchReference& batch);
  void StoreBatches(const Header& header);
  std::vector<Need> NeedsOf(const Header& header);
  std::vector<Need> NeedsOf(const CertificatePtr& certificate);
  // Votes for the header, inserts the certificate: or parks it until it lacks nothing.
  void Consider(proto::PartyId source, Header header, Step& step);
  void Consider(proto::PartyId source, CertificatePtr certificate, Step& step);
  void Insert(const CertificatePtr& certificate);
  // The certificate or batch of this digest is there.
  void Supply(const proto::Digest& digest, Step& step);
  void SendVote(const Header& header, Step& step);
  // The certified header of that place, or the first one received, or null.
  const Header* FindSeen(std::uint64_t round, proto::PartyId author) const;
  void Watch(const Header& header, Step& step);
  CertificatePtr FindCertificate(std::uint64_t round, proto::PartyId author);
  void HaltOnConflict(const Certificate& a, const Certificate& b, Step& step);

  // Progress (progress.cc).
  void Order(Step& step);
  // After a snapshot: whether the leader that it was made from is here; marks its history ordered.
  bool HasBase();
  void Emit(const Ordered& ordered, Step& step);
  void Deliver(std::uint64_t index, const CommitRecord& record, Step& step);
  void Collect(Step& step);
  void Prune();
  void Settle(Step& step);
  void Propose(Step& step);
  HeaderFields NextHeader(std::uint64_t round, const std::vector<CertificatePtr>& parents);
  void Report(proto::PartyId offender, const proto::dag::Evidence& evidence, Step& step);
  void HaltBecause(std::string reason, Step& step);

  const Config config_;
  const proto::SecretKey key_;
  const proto::CoinSecret coin_secret_;
  const std::uint64_t executed_index_;

  Store store_;
  State state_;
  Verifier verifier_;
  Ballots ballots_;
  Dag dag_;
  Coin coin_;
  Sequencer sequencer_;
  LooseBatches loose_;
  Backlog backlog_;
  CatchUp catch_up_;
  Server server_;
  Payload payload_;
  Finality finality_;

  // Parked items that lack nothing any more, still to be considered.
  std::vector<Backlog::Item> ready_;
  // Headers received whose certificate is not in the DAG: the first for each (round, author).
  std::map<std::pair<std::uint64_t, proto::PartyId>, Header> seen_;
  std::set<proto::PartyId> reported_;  // Offenders.
  // A snapshot's commit whose leader is not here yet: nothing can be ordered.
  std::optional<CommitRecord> base_;
  bool silent_ = false;
  std::optional<std::string> observing_;
  bool tick_due_ = false;
  Patience patience_;
  std::uint32_t resend_age_ = 0;      // Ticks since the newest own header was sent.
  std::uint64_t payload_round_ = 0;   // The newest header seen with batches.
  std::uint64_t payload_commit_ = 0;  // The newest commit with transactions.
  bool halted_ = false;
};

}  // namespace consensus
