// A step of an answer before the answer is on the ledger: a member's shares of the masked output
// that a step computed, signed, for the client to decode from n - t members' as they come
// (docs/protocol.md, "Tokens as they come").
//
// Honest members hold the same degree-t polynomial for every output, under a uniform mask that the
// client alone knows: what is here says no more than what PostOutput puts on the ledger later. The
// signature binds the shares to one step of one request, so nobody between the validator and the
// client can change them or give those of another step for them.
#pragma once

#include <cstdint>

#include "proto/base/bytes.h"
#include "proto/crypto/signature.h"

namespace node {

struct AnswerStep {
  proto::Bytes shares;  // 16 bytes each, as many as a step has outputs.
  proto::Signature signature;
};

// What a member signs: `step` counts from 0.
proto::Digest AnswerStepDigest(const proto::Digest& chain, std::uint64_t request,
                               std::uint32_t step, proto::ByteSpan shares);

}  // namespace node
