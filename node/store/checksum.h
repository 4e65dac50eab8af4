// CRC-32C (Castagnoli), as in iSCSI and LevelDB: finds damage, not forgery. By the processor's
// instruction where it has one (8 bytes in 3 cycles), else by a table.
#pragma once

#include <cstdint>

#include "proto/base/bytes.h"

namespace node {

std::uint32_t Checksum(proto::ByteSpan bytes);
// Without the instruction; for machines that lack it, and to test the other.
std::uint32_t ChecksumByTable(proto::ByteSpan bytes);

}  // namespace node
