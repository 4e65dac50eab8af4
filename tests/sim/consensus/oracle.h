// What must hold of a run, whatever the adversary did: seen from outside, over all validators and
// all their lives.
//
//   said        an honest validator sends one header for a round, one vote for a (round, author),
//               one signature for a commit; nobody makes a second certificate for a (round, author)
//   order       the blocks of honest validators, a hash chain over all that is executed, are
//               prefixes of one sequence; final blocks are of that sequence, with n - f signatures
//   definition  that sequence is what the commit rule's definition makes of the whole DAG
//   once        an acknowledged transaction is executed once
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "consensus/config.h"
#include "consensus/step.h"
#include "tests/sim/consensus/reference.h"

namespace sim {

class Oracle {
 public:
  // `config`: any validator's; `secrets`: all shares of the coin.
  Oracle(consensus::Config config, const std::vector<proto::CoinSecret>& secrets)
      : config_(std::move(config)), secrets_(secrets), dag_(config_.committee) {}

  // Of honest validators.
  void OnSent(const consensus::Message& message);
  void OnWrite(const consensus::Write& write);
  // `block`: the validator's, after it executed the commit.
  void OnExecuted(const consensus::Commit& commit, const proto::Digest& block);
  void OnFinalized(const consensus::Finalized& finalized);
  void OnEvidence(const consensus::Evidence& evidence, bool against_honest);
  // The whole run against the definition.
  void CheckDefinition();

  // Nothing, or the first thing that did not hold.
  const std::string& failure() const { return failure_; }
  void Fail(const std::string& reason) {
    if (failure_.empty()) failure_ = reason;
  }

  const std::vector<proto::Digest>& blocks() const { return blocks_; }
  const std::set<proto::PartyId>& offenders() const { return offenders_; }
  const WholeDag& dag() const { return dag_; }
  // What the shares of all validators together say.
  proto::PartyId Leader(std::uint64_t round);
  // Leaders' rounds, in order.
  const std::vector<std::uint64_t>& leader_rounds() const { return rounds_; }

 private:
  enum class Word { kHeader, kVote, kCertificate, kBlock };
  struct Done {
    consensus::Reference leader;
    std::vector<consensus::Reference> vertices;
    std::vector<proto::Bytes> transactions;
  };

  void Once(Word word, std::uint64_t place, proto::PartyId about, proto::PartyId by,
            const proto::Digest& digest);

  const consensus::Config config_;
  const std::vector<proto::CoinSecret>& secrets_;
  WholeDag dag_;
  std::map<std::uint64_t, proto::PartyId> leaders_;
  std::map<std::tuple<Word, std::uint64_t, proto::PartyId, proto::PartyId>, proto::Digest> said_;
  std::vector<proto::Digest> blocks_;
  std::vector<std::uint64_t> rounds_;
  std::vector<Done> done_;
  std::map<proto::Digest, std::vector<proto::Bytes>> batches_;
  std::set<proto::PartyId> offenders_;
  std::string failure_;
};

}  // namespace sim
