// Checks what a validator says with nothing but the genesis document: a record stands in the state
// of a block that n - f validators of its epoch signed, and links lead from genesis to that epoch.
#pragma once

#include <utility>

#include <nlohmann/json.hpp>

#include "node/ledger/light_client.h"
#include "proto/spec.h"
#include "proto/wire/block.h"
#include "proto/wire/records.h"

namespace node {

// A record of the state and the signed block it stands in.
template <class Record>
struct Proved {
  Record record;
  proto::BlockHeader header;
};
using ProvedRequest = Proved<proto::RequestRecord>;

// Takes in the epochs that the links (of `epoch_links`, or in an answer) lead to.
proto::Result<> FollowLinks(LightClient& client, const nlohmann::json& links);

struct ProvedValue {
  proto::Bytes value;
  proto::BlockHeader header;
};
// `answer`: what the methods `proof` or `result` gave. kDenied names what does not hold, also that
// the key is absent.
proto::Result<ProvedValue> VerifyValue(const proto::Genesis& genesis, proto::ByteSpan key,
                                       const nlohmann::json& answer);

template <class Record>
proto::Result<Proved<Record>> VerifyRecord(const proto::Genesis& genesis, proto::ByteSpan key,
                                           const nlohmann::json& answer) {
  const auto proved = VerifyValue(genesis, key, answer);
  if (!proved) return tl::unexpected(proved.error());
  auto record = proto::DecodeRecord<Record>(proved->value);
  if (!record) return tl::unexpected(record.error());
  return Proved<Record>{std::move(*record), proved->header};
}

inline proto::Result<ProvedRequest> VerifyResult(const proto::Genesis& genesis,
                                                 std::uint64_t request,
                                                 const nlohmann::json& answer) {
  return VerifyRecord<proto::RequestRecord>(genesis, proto::RequestKey(request), answer);
}

}  // namespace node
