// JSON of strangers.
#pragma once

#include <nlohmann/json.hpp>

#include "proto/base/bytes.h"

namespace mpc {

inline constexpr std::size_t kJsonDepthMax = 32;
inline constexpr std::size_t kJsonValuesMax = std::size_t{1} << 22;

// The document, or a discarded value where the bytes are none, nest deeper than kJsonDepthMax
// (whatever copies, prints or compares a value calls itself for each level), or hold about
// kJsonValuesMax values (two bytes of text can be 60 of memory).
nlohmann::json ParseJson(proto::ByteSpan bytes);

// Whether an object in `parsed`, which is what `bytes` say, had a name twice; the last counted.
bool NamesTwice(proto::ByteSpan bytes, const nlohmann::json& parsed);

// A member of an object, else null.
const nlohmann::json& JsonField(const nlohmann::json& from, const char* name);

}  // namespace mpc
