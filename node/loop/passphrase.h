// Where the passphrase of locked key files comes from: the file descriptor that
// WAXSEAL_PASSPHRASE_FD names (read to its end, once), the variable WAXSEAL_PASSPHRASE, or a prompt
// on the terminal.
#pragma once

#include <string>

#include "proto/base/bytes.h"

namespace node {

inline constexpr std::size_t kPassphraseBytesMax = 1024;

// Without a line's end; the caller erases it. `purpose` completes "Passphrase ...: ". kDenied says
// how to give one when there is none.
proto::Result<proto::Bytes> AskPassphrase(const std::string& purpose);

}  // namespace node
