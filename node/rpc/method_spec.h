// What callers are told of a method, and held to: `rpc.discover` gives it as an OpenRPC document,
// and a call is checked against it before the method runs; so neither drifts from the other.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "proto/base/result.h"

namespace node {

// The standard's codes, and one for each proto::ErrorCode that is not the caller's syntax.
enum class RpcCode : int {
  kParseError = -32700,
  kInvalidRequest = -32600,
  kMethodNotFound = -32601,
  kInvalidParams = -32602,  // ErrorCode::kInvalidArgument
  kInternalError = -32603,
  kNotFound = -32001,
  kUnavailable = -32002,
  kExhausted = -32003,
  kCorrupt = -32004,
  kDenied = -32005,
};
RpcCode ToRpcCode(proto::ErrorCode code);
// The way back, for a client; unknown codes are kCorrupt.
proto::ErrorCode FromRpcCode(std::int64_t code);

enum class ParamType : std::uint8_t {
  kNumber,  // From 0 to 2^64 - 1, or its decimal digits in a string.
  kText,
  kHex,     // An even number of digits of either case.
  kHex32,   // A hash or key: 64 digits.
  kHex64,   // A signature: 128 digits.
  kFlag,    // true or false
  kParams,  // Another call's parameters, by name.
};

struct ParamSpec {
  std::string name;
  ParamType type = ParamType::kText;
  std::string about{};  // For people, one line.
  bool required = true;
};

// How one subscribes to a method (subscription.h).
enum class Follow : std::uint8_t {
  kNot,
  kChanges,  // Its answer, whenever it is another.
  kItems,    // Its answers from a place on, each once.
};

struct MethodSpec {
  std::string name;
  std::string about{};              // What it does, one line.
  std::vector<ParamSpec> params{};  // In the order of positional calls.
  std::string result{};             // What it answers, one line.
  std::vector<RpcCode> errors{};    // Its own, beyond those that any call may have.
  bool provable = false;            // Takes `prove`: the answer comes with a proof.
  Follow follow = Follow::kNot;
  // Of kItems: the parameter that says where to begin, and what of the answer is the list of items;
  // empty: each answer is one.
  std::string place{};
  std::string items{};
};

// The parameter's own: that `value` is of its type.
proto::Result<> CheckParam(const ParamSpec& param, const nlohmann::json& value);

// The OpenRPC 1.3 document of the methods, in their order.
nlohmann::json OpenRpcDocument(const std::vector<MethodSpec>& methods);

}  // namespace node
