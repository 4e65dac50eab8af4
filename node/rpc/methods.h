// The methods of the public interface, over a Backend: those of method_table.h. The ones whose
// answers can be proved are in provable.h.
#pragma once

#include "node/rpc/backend.h"
#include "node/rpc/server.h"
#include "proto/crypto/signature.h"

namespace node {

// Steps of an answer in one call.
inline constexpr std::size_t kAnswerStepsMax = 256;
// A part of a model file in one call.
inline constexpr std::size_t kFilePartBytesMax = std::size_t{3} << 20;
// Model files under way from vendors, together.
inline constexpr std::size_t kUploadBytesMax = std::size_t{2} << 30;

// What the owner of a request signs to be given shares of its masks, sealed to `ephemeral`.
proto::Digest MaskQuestionDigest(const proto::Digest& chain, std::uint64_t request,
                                 const proto::PublicKey& ephemeral);
// What the validator signs with its answer: a wrong share can be shown to anybody the client opens
// it to.
proto::Digest MaskAnswerDigest(const proto::Digest& chain, std::uint64_t request,
                               const proto::PublicKey& ephemeral, proto::ByteSpan sealed);
// Bound to the sealed shares as associated data.
proto::Bytes MaskContext(const proto::Digest& chain, std::uint64_t request, proto::PartyId party);

// `backend` outlives the server that is given the handlers.
RpcHandlers MakeHandlers(Backend& backend);

}  // namespace node
