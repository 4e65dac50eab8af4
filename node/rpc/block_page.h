// A block as a page of its own, for explorers and benches.
#pragma once

#include <string_view>

#include "node/rpc/backend.h"
#include "node/rpc/server.h"

namespace node {

HttpPage BlockPage(Backend& backend, std::string_view path);

}  // namespace node
