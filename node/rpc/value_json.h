// Between the messages of gRPC and the JSON of the methods.
#pragma once

#include <google/protobuf/message.h>
#include <google/protobuf/struct.pb.h>
#include <nlohmann/json.hpp>

#include "proto/base/result.h"

namespace node {

// Whole numbers up to here are exact as doubles; larger ones become strings of their digits.
inline constexpr std::uint64_t kExactMax = std::uint64_t{1} << 53;

// The fields that are there, by name; bytes in hexadecimal. kInvalidArgument for a field that the
// message's type does not have.
proto::Result<nlohmann::json> ParamsOf(const google::protobuf::Message& call);

void ToValue(const nlohmann::json& json, google::protobuf::Value& value);

}  // namespace node
