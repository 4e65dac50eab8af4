// What the public interface may ask of a validator. Every function may be called from any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mpc/field/fp.h"
#include "node/inference/answer_step.h"
#include "node/inference/effort.h"
#include "node/ledger/proven_block.h"
#include "node/ledger/snapshot.h"
#include "node/store/interfaces.h"
#include "node/sync/status.h"
#include "proto/crypto/signature.h"
#include "proto/spec.h"
#include "proto/wire/block.h"
#include "proto/wire/sync.h"

namespace node {

struct PeerLink {
  std::string name;
  std::string address;
  bool up = false;  // Both channels, outgoing.
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::string last_error;
};

// What the validator did since its start, for metrics.
struct Counters {
  std::uint64_t rounds = 0;  // Of the newest own header.
  std::uint64_t commits = 0;
  std::uint64_t transactions = 0;      // Executed.
  std::uint64_t checks_saved = 0;      // Transactions found checked when they were executed.
  std::uint64_t signature_checks = 0;  // Of consensus' messages.
  std::uint64_t share_checks = 0;
  std::uint64_t messages_sent = 0;  // To peers, on the channel of consensus.
  std::uint64_t store_syncs = 0;
  std::uint64_t store_bytes = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual const proto::Genesis& genesis() const = 0;
  virtual const proto::Digest& chain() const = 0;
  // The validator's own key: in the present epoch, or that with which it will be a member.
  virtual proto::PublicKey key() const = 0;
  virtual Snapshot latest() const = 0;
  virtual std::optional<ProvenBlock> proven() const = 0;
  virtual const KeyValueStore& store() const = 0;  // Reads of what LedgerMachine wrote.
  // Durable when it returns: an accepted transaction survives the loss of the process.
  virtual proto::Result<proto::Digest> Submit(proto::Bytes transaction) = 0;
  // Several at once: for each its id, or why it was not taken. An error: none was.
  virtual proto::Result<std::vector<proto::Result<proto::Digest>>> SubmitAll(
      std::vector<proto::Bytes> transactions) = 0;
  virtual Counters counters() const = 0;
  virtual proto::Result<std::vector<mpc::Fp>> MaskShares(std::uint64_t attempt) = 0;
  // What this validator has computed of the answer to a request, from step `from` on, at most
  // `count` steps.
  virtual std::vector<AnswerStep> AnswerSteps(std::uint64_t request, std::uint64_t from,
                                              std::size_t count) const = 0;
  virtual proto::Result<> AddModelFile(proto::Bytes bytes) = 0;
  virtual proto::Result<proto::SharedBytes> ReadModelFile(const proto::Digest& digest) = 0;
  virtual ServiceStatus service_status() const = 0;
  virtual SyncStatus sync_status() const = 0;
  // To a question about snapshots; none when it is too busy with others.
  virtual std::optional<proto::sync::Message> SyncAnswer(proto::sync::Message question) = 0;
  virtual std::vector<PeerLink> peers() const = 0;
  // As a member of the epoch.
  virtual proto::Signature Sign(std::uint64_t epoch, const proto::Digest& digest) const = 0;
  virtual proto::Bytes Entropy(std::size_t count) const = 0;
  // Why the validator is not ready to serve; none when it is.
  virtual std::optional<std::string> why_not_ready() const = 0;
};

}  // namespace node
