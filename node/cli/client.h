// A client of the network: asks validators, signs transactions, waits for what became of them.
//
// It trusts no single validator: it submits to f + 1 at once, takes what it reads from whichever
// answers, and what matters (the result) only with its proof (Proved).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "node/ledger/light_client.h"
#include "node/rpc/answers.h"
#include "proto/crypto/signature.h"
#include "proto/spec.h"
#include "proto/wire/ledger.h"

namespace node {

using Progress = std::function<void(const std::string&)>;  // One line for people.

// Takes in the epochs that a validator's links lead to, beyond those that the client knows: these
// links. kDenied when one of them proves nothing.
proto::Result<std::vector<proto::EpochLink>> FollowLinks(LightClient& client,
                                                         const std::string& rpc_address);

class Client {
 public:
  // `lock`: a file that processes which use this account take turns by; none if empty. Without
  // turns two equal payloads of one nonce would be one transaction.
  Client(proto::Genesis genesis, proto::SecretKey key, std::string lock = "");

  const proto::Genesis& genesis() const { return genesis_; }
  const proto::Digest& chain() const { return chain_; }
  const proto::SecretKey& key() const { return key_; }
  // Of the newest epoch that is proved to this client.
  std::size_t validators() const { return epochs_.epoch().validators.size(); }
  const proto::EpochRecord& epoch() const { return epochs_.epoch(); }
  // Learns of epochs until `number` is among them, or of all there are. Fails when no validator
  // proves that epoch.
  proto::Result<proto::EpochRecord> Epoch(std::uint64_t number) const;
  void Refresh() const;

  // The method's answer from one validator.
  proto::Result<nlohmann::json> At(std::size_t validator, const std::string& method,
                                   const nlohmann::json& params) const;
  // From the first that answers; kUnavailable when none does. An answer that is the caller's own
  // mistake is not asked for twice.
  proto::Result<nlohmann::json> Any(const std::string& method, const nlohmann::json& params) const;

  // The answer to a question that can be proved, of a signed block, from the first validator whose
  // proof holds. kDenied when a proof does not hold, and no other does.
  proto::Result<CheckedAnswer> Proved(const std::string& method,
                                      const nlohmann::json& params) const;

  // Signs the payload with the account's next nonce, submits it and waits until it is executed:
  // {height, receipt, ...} of `transaction`. A receipt other than done is an error with its
  // message.
  proto::Result<nlohmann::json> Execute(proto::Payload payload) const;

  // Calls `ready` until it gives a value or an error; kUnavailable after `patience`. `what` says in
  // the error what was waited for.
  proto::Result<nlohmann::json> WaitFor(
      const std::string& what, std::chrono::seconds patience,
      const std::function<proto::Result<std::optional<nlohmann::json>>()>& ready) const;

 private:
  proto::Result<nlohmann::json> ExecuteOnce(const proto::Payload& payload) const;
  proto::Result<std::string> Submit(const proto::Bytes& transaction) const;
  // What the first validator that answers lacks, if it does.
  std::string WhyNotReady() const;

  proto::Genesis genesis_;
  proto::Digest chain_;
  proto::SecretKey key_;
  std::string lock_;
  mutable LightClient epochs_;  // What it learned; whom to ask follows from it.
};

}  // namespace node
