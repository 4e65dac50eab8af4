// The answers that can be proved, as functions of the ledger's facts. A validator makes them over a
// snapshot, or with `prove` over its newest signed block; whoever is given a proof makes the answer
// again from what it proves, and believes no other.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "node/ledger/facts.h"
#include "node/ledger/proof.h"
#include "node/rpc/json_rpc.h"
#include "proto/spec.h"

namespace node {

// Null: there is no such thing. The method is one of the provable ones of the method table.
proto::Result<Json> MakeAnswer(const proto::Genesis& genesis, const std::string& method,
                               const Params& params, const Facts& facts);

// What `prove` answers: {"question": {"method", "params"}, "answer", "height", "proof"}.
Json WithProof(const std::string& method, const Params& params, Json answer,
               const proto::Proof& proof);

struct CheckedAnswer {
  std::string method;
  Json params;
  Json answer;
  Proven proven;
};
// Of the question that it says itself. kDenied says what does not hold, also that the proof does
// not give the answer.
proto::Result<CheckedAnswer> VerifyAnswer(LightClient& client, const Json& given);
// Of this question.
proto::Result<CheckedAnswer> VerifyAnswer(LightClient& client, const std::string& method,
                                          const Json& params, const Json& given);

}  // namespace node
