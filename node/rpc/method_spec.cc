#include "node/rpc/method_spec.h"

#include <array>
#include <charconv>
#include <utility>

#include "proto/base/bytes.h"

namespace node {

using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;

namespace {

constexpr char kOpenRpcVersion[] = "1.3.2";
constexpr char kInterfaceVersion[] = "1.0.0";

struct CodeInfo {
  RpcCode code;
  const char* name;
  const char* message;
};
constexpr std::array<CodeInfo, 10> kCodes = {{
    {RpcCode::kParseError, "ParseError", "The text is not JSON, or beyond the limits of one call."},
    {RpcCode::kInvalidRequest, "InvalidRequest", "The JSON is not a JSON-RPC 2.0 request."},
    {RpcCode::kMethodNotFound, "MethodNotFound", "There is no such method."},
    {RpcCode::kInvalidParams, "InvalidParams", "A parameter is wrong; the message names it."},
    {RpcCode::kInternalError, "InternalError", "The validator failed; its log may tell more."},
    {RpcCode::kNotFound, "NotFound", "There is no such thing on the ledger."},
    {RpcCode::kUnavailable, "Unavailable", "Not now: try again."},
    {RpcCode::kExhausted, "Exhausted", "A named limit is reached."},
    {RpcCode::kCorrupt, "Corrupt", "What the validator has stored is damaged."},
    {RpcCode::kDenied, "Denied", "The caller may not, or the ledger's rules forbid it."},
}};

// Of every call: the first are found before the method runs, the others may befall any.
constexpr std::array kEveryCall = {RpcCode::kParseError,     RpcCode::kInvalidRequest,
                                   RpcCode::kMethodNotFound, RpcCode::kInvalidParams,
                                   RpcCode::kInternalError,  RpcCode::kUnavailable};

const CodeInfo& InfoOf(RpcCode code) {
  for (const CodeInfo& info : kCodes) {
    if (info.code == code) return info;
  }
  return kCodes[4];
}

json ErrorReference(RpcCode code) {
  return {{"$ref", std::string("#/components/errors/") + InfoOf(code).name}};
}

json Digits(const std::string& pattern) {
  return {{"type", "string"}, {"pattern", pattern}};
}

json SchemaOf(ParamType type) {
  switch (type) {
    case ParamType::kNumber:
      return {{"oneOf",
               {{{"type", "integer"}, {"minimum", 0}, {"maximum", ~std::uint64_t{0}}},
                Digits("^[0-9]{1,20}$")}}};
    case ParamType::kText:
      return {{"type", "string"}};
    case ParamType::kHex:
      return Digits("^([0-9a-fA-F]{2})*$");
    case ParamType::kHex32:
      return Digits("^[0-9a-fA-F]{64}$");
    case ParamType::kHex64:
      return Digits("^[0-9a-fA-F]{128}$");
    case ParamType::kFlag:
      return {{"type", "boolean"}};
    case ParamType::kParams:
      return {{"type", "object"}};
  }
  return json::object();
}

const char* WordsOf(ParamType type) {
  switch (type) {
    case ParamType::kNumber:
      return "a whole number from 0 to 2^64 - 1";
    case ParamType::kText:
      return "a string";
    case ParamType::kHex:
      return "an even number of hexadecimal digits";
    case ParamType::kHex32:
      return "32 bytes in hexadecimal digits";
    case ParamType::kHex64:
      return "64 bytes in hexadecimal digits";
    case ParamType::kFlag:
      return "true or false";
    case ParamType::kParams:
      return "an object";
  }
  return "";
}

bool IsNumber(const json& value) {
  if (value.is_number_unsigned()) return true;
  if (value.is_number_integer()) return value.get<std::int64_t>() >= 0;  // Made here, not parsed.
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  std::uint64_t number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  return error == std::errc() && end == last && !text.empty();
}

bool IsHex(const json& value, std::size_t digits) {
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  if (digits != 0 && text.size() != digits) return false;
  constexpr std::string_view kDigits = "0123456789abcdefABCDEF";
  return text.size() % 2 == 0 && text.find_first_not_of(kDigits) == std::string::npos;
}

bool IsOf(ParamType type, const json& value) {
  switch (type) {
    case ParamType::kNumber:
      return IsNumber(value);
    case ParamType::kText:
      return value.is_string();
    case ParamType::kHex:
      return IsHex(value, 0);
    case ParamType::kHex32:
      return IsHex(value, 64);
    case ParamType::kHex64:
      return IsHex(value, 128);
    case ParamType::kFlag:
      return value.is_boolean();
    case ParamType::kParams:
      return value.is_object();
  }
  return false;
}

}  // namespace

RpcCode ToRpcCode(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return RpcCode::kInvalidParams;
    case ErrorCode::kNotFound:
      return RpcCode::kNotFound;
    case ErrorCode::kUnavailable:
      return RpcCode::kUnavailable;
    case ErrorCode::kExhausted:
      return RpcCode::kExhausted;
    case ErrorCode::kCorrupt:
      return RpcCode::kCorrupt;
    case ErrorCode::kDenied:
      return RpcCode::kDenied;
  }
  return RpcCode::kInternalError;
}

ErrorCode FromRpcCode(std::int64_t code) {
  switch (static_cast<RpcCode>(code)) {
    case RpcCode::kParseError:
    case RpcCode::kInvalidRequest:
    case RpcCode::kMethodNotFound:
    case RpcCode::kInvalidParams:
      return ErrorCode::kInvalidArgument;
    case RpcCode::kNotFound:
      return ErrorCode::kNotFound;
    case RpcCode::kInternalError:
    case RpcCode::kUnavailable:
      return ErrorCode::kUnavailable;
    case RpcCode::kExhausted:
      return ErrorCode::kExhausted;
    case RpcCode::kDenied:
      return ErrorCode::kDenied;
    case RpcCode::kCorrupt:
      break;
  }
  return ErrorCode::kCorrupt;
}

proto::Result<> CheckParam(const ParamSpec& param, const json& value) {
  if (value.is_null()) {
    if (!param.required) return {};
    return Fail(ErrorCode::kInvalidArgument, "The parameter '" + param.name + "' is missing.");
  }
  if (IsOf(param.type, value)) return {};
  return Fail(ErrorCode::kInvalidArgument,
              "The parameter '" + param.name + "' must be " + WordsOf(param.type) + ".");
}

json OpenRpcDocument(const std::vector<MethodSpec>& methods) {
  json list = json::array();
  for (const MethodSpec& method : methods) {
    json params = json::array();
    for (const ParamSpec& param : method.params) {
      params.push_back({{"name", param.name},
                        {"description", param.about},
                        {"required", param.required},
                        {"schema", SchemaOf(param.type)}});
    }
    json errors = json::array();
    for (const RpcCode code : kEveryCall) errors.push_back(ErrorReference(code));
    for (const RpcCode code : method.errors) errors.push_back(ErrorReference(code));
    list.push_back(
        {{"name", method.name},
         {"summary", method.about},
         {"params", std::move(params)},
         {"result",
          {{"name", "result"}, {"description", method.result}, {"schema", json::object()}}},
         {"errors", std::move(errors)},
         {"x-subscribe", method.follow != Follow::kNot}});
  }
  json errors = json::object();
  for (const CodeInfo& info : kCodes) {
    errors[info.name] = {{"code", static_cast<int>(info.code)}, {"message", info.message}};
  }
  return {{"openrpc", kOpenRpcVersion},
          {"info",
           {{"title", "Waxseal validator"},
            {"version", kInterfaceVersion},
            {"description",
             "JSON-RPC 2.0 over HTTP POST to /. Bytes are hexadecimal. With `prove`, an answer "
             "comes with a proof that `waxseal verify` checks against the genesis document."}}},
          {"methods", std::move(list)},
          {"components", {{"errors", std::move(errors)}}}};
}

}  // namespace node
