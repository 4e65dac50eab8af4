// How a validator's card, all of its ValidatorSpec but the coin key, stands in records. Not for
// other folders.
#pragma once

#include <string>

#include "proto/spec.h"
#include "proto/wire/fields.h"
#include "proto/wire/ledger.h"

namespace proto {

inline void TextField(FieldWriter& io, const std::string& text, std::size_t size_max) {
  const ByteSpan bytes = AsBytes(text);
  io.Sized(Bytes(bytes.begin(), bytes.end()), size_max);
}
inline void TextField(FieldReader& io, std::string& text, std::size_t size_max) {
  Bytes bytes;
  io.Sized(bytes, size_max);
  text.assign(AsText(bytes));
}

void Fields(auto& io, Of<ValidatorSpec> auto& validator) {
  TextField(io, validator.name, kNameBytesMax);
  io(validator.key);
  TextField(io, validator.certificate, kCertificateBytesMax);
  io(validator.certificate_signature.bytes);
  TextField(io, validator.peer_address, kAddressBytesMax);
  TextField(io, validator.rpc_address, kAddressBytesMax);
}

}  // namespace proto
