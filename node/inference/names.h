// The files that a member keeps in its BulkStore.
#pragma once

#include <string>

#include "proto/base/bytes.h"

namespace node {

inline std::string FileName(const proto::Digest& digest) {
  return "file-" + digest.hex();
}
inline std::string BundleName(std::uint64_t attempt) {
  return "bundle-" + std::to_string(attempt);
}
inline std::string UseName(std::uint64_t attempt) {
  return "use-" + std::to_string(attempt);
}
inline std::string LayerPrefix(std::uint64_t attempt) {
  return "layer-" + std::to_string(attempt) + "-";
}
// Until one is fixed, different kings may have made different values of a layer.
inline std::string LayerName(std::uint64_t attempt, std::uint32_t layer,
                             const proto::Digest& root) {
  return LayerPrefix(attempt) + std::to_string(layer) + "-" + root.hex();
}

// The kings' lists of senders that came with them.
inline std::string SendersName(std::uint64_t attempt, std::uint32_t layer,
                               const proto::Digest& senders) {
  return LayerPrefix(attempt) + std::to_string(layer) + "-senders-" + senders.hex();
}

// What the keys of an epoch are made from.
inline std::string CeremonyPrefix() {
  return "key-ceremony-";
}
inline std::string CeremonyName(std::uint64_t epoch) {
  return CeremonyPrefix() + std::to_string(epoch);
}

}  // namespace node
