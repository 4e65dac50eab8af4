// The methods whose answers can be proved (answers.h), over a Backend. Without `prove` they answer
// from the newest state, with what only this validator knows beside it; with it, from the newest
// block that n - f validators signed, and with the proof.
#pragma once

#include <string>

#include "node/rpc/backend.h"
#include "node/rpc/json_rpc.h"
#include "proto/wire/proof.h"

namespace node {

class Provable {
 public:
  explicit Provable(Backend& backend) : backend_(backend), genesis_(backend.genesis()) {}

  proto::Result<Json> Call(const std::string& method, const Params& params) const;

 private:
  proto::Result<Json> Newest(const std::string& method, const Params& params) const;
  proto::Result<Json> Block(const Params& params) const;
  proto::Result<Json> Transaction(const Params& params) const;
  proto::Result<Json> Proved(const std::string& method, const Params& params) const;
  proto::Result<proto::Proof> ProofOf(const std::string& method, const Params& params) const;
  // Of the block itself, by the next header after it that is signed here.
  proto::Result<proto::Proof> ProofOfBlock(std::uint64_t height) const;
  proto::Result<std::vector<proto::EpochLink>> LinksTo(std::uint64_t height) const;
  proto::EpochRecord EpochOfHeight(std::uint64_t height) const;

  Backend& backend_;
  const proto::Genesis& genesis_;
};

}  // namespace node
