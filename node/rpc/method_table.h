// Every method of a validator's interface: what `rpc.discover` tells, what calls are checked
// against, and what docs/rpc.md explains. Adding a method means adding it here, to methods.cc and
// to the page; tests hold the three together.
#pragma once

#include <string_view>
#include <vector>

#include "node/rpc/method_spec.h"

namespace node {

const std::vector<MethodSpec>& MethodTable();
// Null when there is none of this name.
const MethodSpec* FindMethod(std::string_view name);

}  // namespace node
