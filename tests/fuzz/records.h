// A state record of any kind, as a validator keeps it, decoded and encoded again.
#pragma once

#include <algorithm>

#include "proto/base/bytes.h"
#include "proto/base/check.h"
#include "proto/wire/records.h"

namespace fuzz {

template <class Record>
void RunRecord(proto::ByteSpan input) {
  const auto record = proto::DecodeRecord<Record>(input);
  if (record) CHECK(std::ranges::equal(proto::Encode(*record), input));
}

}  // namespace fuzz
