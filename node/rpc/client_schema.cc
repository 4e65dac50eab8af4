#include "node/rpc/client_schema.h"

#include <cctype>

namespace node {
namespace {

// Of `prove`, so that a method's parameters can become more.
constexpr int kProveField = 15;

const char* FieldType(ParamType type) {
  switch (type) {
    case ParamType::kNumber:
      return "uint64";
    case ParamType::kText:
      return "string";
    case ParamType::kHex:
    case ParamType::kHex32:
    case ParamType::kHex64:
      return "bytes";
    case ParamType::kFlag:
      return "bool";
    case ParamType::kParams:
      break;  // Of `subscribe` alone, which is no method of the table.
  }
  return "";
}

const char* SizeOf(ParamType type) {
  if (type == ParamType::kHex32) return "32 bytes. ";
  if (type == ParamType::kHex64) return "64 bytes. ";
  return "";
}

// Absence is told apart from zero: a missing parameter is an error that names it.
std::string Field(const std::string& type, const std::string& name, int number,
                  const std::string& about) {
  return "  // " + about + "\n  optional " + type + " " + name + " = " + std::to_string(number) +
         ";\n";
}

constexpr char kHead[] =
    R"(// The calls of a validator's interface (docs/rpc.md) as a gRPC service, on the port of JSON-RPC.
// Made from the table of methods, node/rpc/method_table.cc; a test holds it to the table.
//
// An answer is the JSON that JSON-RPC answers. A number beyond 2^53 is a string of its digits.
syntax = "proto3";

package waxseal.v1;

import "google/protobuf/struct.proto";

service Validator {
)";

}  // namespace

std::string CallName(std::string_view method) {
  std::string name;
  bool starts = true;
  for (const char c : method) {
    if (c == '_') {
      starts = true;
      continue;
    }
    name += starts ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    starts = false;
  }
  return name;
}

std::string ClientSchema(const std::vector<MethodSpec>& methods) {
  std::string text = kHead;
  std::string messages;
  for (const MethodSpec& method : methods) {
    const std::string name = CallName(method.name);
    text += "  // " + method.about + "\n  rpc " + name + "(" + name +
            "Call) returns (google.protobuf.Value);\n";
    messages += "\nmessage " + name + "Call {\n";
    int number = 0;
    for (const ParamSpec& param : method.params) {
      messages +=
          Field(FieldType(param.type), param.name, ++number, SizeOf(param.type) + param.about);
    }
    if (method.provable) messages += Field("bool", "prove", kProveField, "Answer with a proof.");
    messages += "}\n";
  }
  return text + "}\n" + messages;
}

}  // namespace node
