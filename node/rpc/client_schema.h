// The methods of the interface as a Protocol Buffers schema: what gRPC clients make their stubs of,
// and what reflection tells. `proto/client.proto` is this text for the method table; a test holds
// the file to it.
//
// A method `submit_transaction` becomes `rpc SubmitTransaction(SubmitTransactionCall) returns
// (google.protobuf.Value)`: parameters are typed fields, numbered in their order, and the answer is
// the JSON that JSON-RPC answers, so that nothing is described twice.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "node/rpc/method_spec.h"

namespace node {

inline constexpr std::string_view kClientService = "waxseal.v1.Validator";

// In the schema: "submit_transaction" is "SubmitTransaction".
std::string CallName(std::string_view method);
std::string ClientSchema(const std::vector<MethodSpec>& methods);

}  // namespace node
