// What consensus keeps on disk, and where.
//
//   key                     value                                         deleted
//   's'                     State                                         never
//   'h'                     reason of a halt                              never
//   'x'                     why this node only observes                   never
//   'w' party               newest header of the party voted for          never
//   'o'                     Own: last header, own batches                 never
//   'p' sequence            own transactions not yet in a batch           when batched
//   'c' round author        certificate                                   retain_rounds below gc
//   'v' round author        VoteRecord: the one header voted for          retain_rounds below gc
//   'b' digest              batch                                         with its last round
//   'r' digest              last round that names the batch, its size     with its last round
//   'k' index               CommitRecord                                  retain_rounds below gc
//   'f' index party         block vote                                    kBlockVotesBehindMax
//   below
//
// Integers in keys are big-endian, so that the order of keys is the order of rounds.
//
// A Store collects the writes of one call of the core and reads through them to the Archive below.
// Records that do not decode make the store `damaged`; the core then halts.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "consensus/config.h"
#include "consensus/step.h"
#include "consensus/store/records.h"

namespace consensus {

// The host's storage, as of all writes of the steps so far (durable or not). Deterministic.
class Archive {
 public:
  virtual ~Archive() = default;
  virtual std::optional<proto::Bytes> Get(proto::ByteSpan key) const = 0;
  // All records whose keys begin so, ascending.
  virtual std::vector<std::pair<proto::Bytes, proto::Bytes>> List(proto::ByteSpan prefix) const = 0;
};

class Store {
 public:
  Store(const proto::Committee& committee, const Archive& archive)
      : committee_(committee), archive_(archive) {}

  std::optional<State> FindState();
  void Put(const State& state);
  std::optional<Own> FindOwn();
  void Put(const Own& own);
  std::optional<std::string> FindHalt();
  void PutHalt(const std::string& reason);
  std::optional<std::string> FindObserver();
  void PutObserver(const std::string& reason);
  std::optional<Header> FindWord(proto::PartyId party);
  void PutWord(const Header& header);

  std::optional<Certificate> FindCertificate(std::uint64_t round, proto::PartyId author);
  bool HasCertificate(const Reference& reference);
  void Put(const Certificate& certificate);

  std::optional<VoteRecord> FindVote(std::uint64_t round, proto::PartyId author);
  void Put(std::uint64_t round, proto::PartyId author, const VoteRecord& vote);

  std::optional<Transactions> FindBatch(const proto::Digest& digest);
  // For its commit, which needs it once: from memory when it is recent, and not again.
  std::optional<Transactions> TakeBatch(const proto::Digest& digest);
  bool HasBatch(const proto::Digest& digest);
  bool HasBatch(const BatchReference& reference);  // Of exactly that size.
  void Put(Transactions batch, std::uint64_t round);
  void Refer(const BatchReference& reference,
             std::uint64_t round);  // A stored batch is used again.

  std::optional<CommitRecord> FindCommit(std::uint64_t index);
  void Put(std::uint64_t index, const CommitRecord& commit);
  void DeleteCommit(std::uint64_t index);

  std::optional<BlockVote> FindBlockVote(std::uint64_t index, proto::PartyId party);
  // All that are kept, by index and party; at the beginning, before anything is written.
  std::vector<std::pair<proto::PartyId, BlockVote>> FindBlockVotes();
  void Put(proto::PartyId party, const BlockVote& vote);
  void DeleteBlockVote(std::uint64_t index, proto::PartyId party);

  std::optional<Transactions> FindPending(std::uint64_t sequence);
  void PutPending(std::uint64_t sequence, const Transactions& transactions);
  void DeletePending(std::uint64_t sequence);

  // Deletes the certificates and votes of a round, and the batches that no later round names.
  void Prune(std::uint64_t round);

  // This call's writes must be durable before its messages leave.
  void Sync() { sync_ = true; }
  void Flush(Step& step);

  const std::optional<std::string>& damage() const { return damage_; }

 private:
  std::optional<std::string> FindText(char tag);
  void PutText(char tag, const std::string& text);
  std::optional<proto::Bytes> Get(const proto::Bytes& key) const;
  void Set(proto::Bytes key, std::optional<proto::Bytes> value);
  template <class T>
  std::optional<T> Sound(proto::Result<T> record);
  template <class T>
  std::optional<T> Find(const proto::Bytes& key);
  void DeleteBatch(const proto::Digest& digest, std::uint64_t round);

  const proto::Committee committee_;
  const Archive& archive_;
  std::map<proto::Bytes, std::optional<proto::Bytes>> writes_;
  void Keep(Transactions batch, std::size_t size);
  std::optional<Transactions> Forget(const proto::Digest& digest);

  // The newest batches that no commit took yet: most never need to be read.
  struct Recent {
    Transactions batch;  // Without its bytes.
    std::size_t size = 0;
    std::uint64_t number = 0;
  };
  std::map<proto::Digest, Recent> recent_;
  std::map<std::uint64_t, proto::Digest> recent_order_;
  std::uint64_t recent_next_ = 0;
  std::size_t recent_bytes_ = 0;
  bool sync_ = false;
  std::optional<std::string> damage_;
};

}  // namespace consensus
