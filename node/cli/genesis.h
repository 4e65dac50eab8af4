// The operator's side of a genesis ceremony: the files of a home, and the machine on the network.
//
//   HOME/keys.json, validator.json                made by init: the validator's own keys, and its
//                                                 public card
//   HOME/keys.json.pending, genesis.json.pending  what this machine signed; durable before it did
//   HOME/genesis.signatures.json                  everyone's signatures of the document
//   HOME/genesis.json, keys.json                  adopted: all signed. The rename of genesis.json
//                                                 decides; what a crash leaves after it is finished
//                                                 by the next run, or by start
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "node/cli/client.h"
#include "node/loop/config.h"
#include "proto/base/result.h"
#include "proto/crypto/signature.h"
#include "proto/spec.h"

namespace node {

// Takes part with the home's keys until all have signed one document, and adopts it. `patience`:
// how long to wait without anything changing. The error names who ended it, and why.
proto::Result<proto::Genesis> JoinGenesis(const std::string& home, const proto::Genesis& proposal,
                                          std::chrono::seconds patience, const Progress& progress);

// The last step of an interrupted adoption, if there is one.
proto::Result<> FinishGenesis(const std::string& home, const Config& config);

// The signatures file: that every validator of the document signed it.
std::string FormatSignatures(const std::vector<proto::Signature>& signatures);
proto::Result<> VerifySignatures(const proto::Genesis& genesis, std::string_view json);

}  // namespace node
