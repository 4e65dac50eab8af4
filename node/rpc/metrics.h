// What a node counts, in Prometheus' text format.
#pragma once

#include <string>

#include "node/rpc/backend.h"

namespace node {

std::string Metrics(Backend& backend);

}  // namespace node
