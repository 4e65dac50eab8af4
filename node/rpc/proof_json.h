// The JSON form of a proof (proto/wire/proof.h). It says the same as the encoded form, part by
// part, and becomes that again before it is checked:
//
//   {"version": 1,
//    "links":       [HEX, ...],
//    "headers":     [HEX, ...],
//    "signatures":  [{"party": NUMBER, "signature": HEX}, ...],
//    "records":     [{"key": HEX, "value": HEX or null, "siblings": [HEX, ...],
//                     "leaf": {"path": HEX, "value_hash": HEX} or null}, ...],
//    "transaction": {"bytes": HEX, "receipt": HEX, "index": NUMBER, "count": NUMBER,
//                    "path": [HEX, ...], "receipt_path": [HEX, ...]},
//    "receipts":    [HEX, ...]}
//
// HEX is the canonical encoding that is hashed. `transaction` and `receipts` may be absent; a field
// that is missing, unknown or of another type is an error.
#pragma once

#include <nlohmann/json.hpp>

#include "proto/wire/proof.h"

namespace node {

nlohmann::json ToJson(const proto::Proof& proof);
// kCorrupt says which field is not what it should be.
proto::Result<proto::Proof> ProofFromJson(const nlohmann::json& json);

}  // namespace node
