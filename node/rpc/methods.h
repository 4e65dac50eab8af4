// The methods of the public interface, over a Backend.
//
//   status                                  this validator and its chain
//   block            height | absent        the newest block, or one by height
//   transaction      id                     where it stands, what it says, what became of it
//   submit_transaction hex                  its id, once durable here
//   account          key                    balance and next nonce
//   models, model    id
//   request          id                     the ledger's record, and what it cost this member
//   attempt          id
//   pool                                    bundles by model and length
//   result           id                     the record with its proof under a signed header
//   proof            key                    any state record with its proof
//   mask_shares      request, ephemeral_key, signature    for the request's owner alone
//   model_file       digest, offset         part of a model's file
//   upload_model_file digest, size, offset, hex           part of a registered model's file
//   peers
//   epoch            number | absent        an epoch's validators, and who computes
//   epoch_links      from                   the links to the epochs after it, for light clients
//   validators                              who has stake, and who is a member
//   block_page       height, epoch          blocks for a node that follows
#pragma once

#include "node/rpc/backend.h"
#include "node/rpc/server.h"
#include "proto/crypto/signature.h"

namespace node {

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
